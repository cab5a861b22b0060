/** Handing runs to the hub, so that they go on when this program is gone. */
import { readFileSync, statSync } from 'node:fs';
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { StatusError } from '@polyanthus/kube-objects/status';
import { runbookErrors } from '../src/errors.ts';
import { handOver, handoverOf } from '../src/handover.ts';
import { needsHosts, type Runbook } from '../src/runbook.ts';
import { keepSshAccess, ownReference, sshReference, type SshAccess, type SshReference } from '../src/ssh-secret.ts';
import type { RunPlace } from './place.ts';

/**
 * Whether key and host keys may leave this machine: only where this very command line names their files and asks to hand the
 * run over. A run that somebody else made would otherwise choose which files of this machine go to the hub.
 */
type Keys = 'may go' | 'stay here';

/** Why the hub does not have the run; undefined when it has. */
async function refusal(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
  keys: Keys,
): Promise<string | undefined> {
  if (!place.hub) return 'there is no hub';
  try {
    const known = await handoverOf(ctx, place.runsClient, run);
    const access = await accessFor(ctx, place, run, runbooks, keys);
    // Keys that stay here say nothing against those that were handed over when the run was started.
    if (typeof access === 'string') return known?.spec.sshSecret === undefined ? access : undefined;
    if (known !== undefined && known.spec.sshSecretDigest === access?.reference.digest) return undefined;
    await handOver(ctx, place.runsClient, run, access?.reference);
    // Afterwards: a key whose handover is refused goes nowhere.
    if (access?.files !== undefined) await keepSshAccess(ctx, place.runsClient, run, access.files);
    return undefined;
  } catch (error) {
    if (error instanceof StatusError || error instanceof CodedError) return error.message;
    throw error;
  }
}

/** A Secret by which the hub reaches hosts. */
interface Access {
  readonly reference: SshReference;
  /** What it has to be made of; absent: it is there. */
  readonly files?: SshAccess;
}

/** The Secret by which the hub reaches the hosts of a run; undefined for a run without; a text: why there is none. */
async function accessFor(
  ctx: Context,
  { runsClient, namespace }: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
  keys: Keys,
): Promise<Access | string | undefined> {
  const { parameters = {} } = run.spec;
  const runbook = runbooks.find((one) => one.id === run.spec.runbook);
  if (runbook === undefined || !needsHosts(runbook, parameters)) return undefined;
  if (runbook.hostAccess === undefined) return 'it works on hosts, to which the hub has no way';
  const of = (name: string): string | undefined => {
    const value = parameters[name];
    return typeof value === 'string' ? value : undefined;
  };
  const [secret, key, hosts] = [
    runbook.hostAccess.secret,
    runbook.hostAccess.keyFile,
    runbook.hostAccess.knownHostsFile,
  ];
  const named = of(secret);
  if (named !== undefined) return { reference: await sshReference(ctx, runsClient, namespace, named) };
  if (keys === 'stay here')
    return 'it works on hosts, and the key for them stays here unless --detach or a Secret hands it over';
  const [keyFile, hostsFile] = [of(key), of(hosts)];
  if (keyFile === undefined || hostsFile === undefined)
    return 'it works on hosts, and neither a file with a key nor a Secret is named';
  const files = { privateKey: readBounded(keyFile), knownHosts: readBounded(hostsFile) };
  return { reference: ownReference(run, files), files };
}

const fileBytesMax = 512 * 1024;

function readBounded(file: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    if (statSync(file).size > fileBytesMax) throw new Error(`it has more than ${fileBytesMax} bytes`);
    bytes = readFileSync(file);
    if (bytes.length === 0) throw new Error('it is empty');
  } catch (cause) {
    throw runbookErrors.error('SshFileUnusable', `${file} cannot be handed over: ${(cause as Error).message}`, {
      cause,
    });
  }
  return bytes;
}

/** For a run that this program does not carry out; answers what that means for the user. */
export async function handedOver(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
  keys: Keys,
): Promise<string> {
  const why = await refusal(ctx, place, run, runbooks, keys);
  const name = `${run.metadata.name ?? ''}${place.again}`;
  return why === undefined
    ? `the hub carries it out; to look: polyanthus runbook watch ${name}\n`
    : `nobody carries it out yet (${why}); to do so here: polyanthus runbook resume ${name}\n`;
}

/** For a run that this program carries out: says only when the hub will not go on with it. */
export async function tellHandover(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
  io: Io,
): Promise<void> {
  if (!place.hub) return;
  const why = await refusal(ctx, place, run, runbooks, 'stay here').catch((error: unknown) => String(error));
  if (why !== undefined && !ctx.signal.aborted) io.err(`the hub will not go on with it by itself: ${why}\n`);
}
