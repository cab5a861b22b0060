/**
 * Runs that were handed to the hub are carried out by it, when no other executor does: through the gateway, with the account
 * `runbook-executor` of the run's fleet, which may do in a member what a role binding of the fleet gives it, and no more.
 * Who hands a run over needs the right to create `runhandovers`, and on the member and the Secret that it names
 * (domains/fleet handover-guard); what was changed afterwards is not carried out.
 */
import { sleep, throwIfCancelled, withCancel, type Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { handoverDigest, isHandedOver } from '@polyanthus/engine-runbook/handover';
import { executeRun, hasWork } from '@polyanthus/engine-runbook/executor';
import { digestOf } from '@polyanthus/engine-runbook/digest';
import { needsHosts, type Runbook } from '@polyanthus/engine-runbook/runbook';
import { sshAccessOf, sshDigest, type SshAccess } from '@polyanthus/engine-runbook/ssh-secret';
import { noHosts, type OpenHost } from '@polyanthus/domains-lifecycle/host-command';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { secrets } from '@polyanthus/kube-kinds/core';
import { runHandovers, runs, type Run, type RunHandover } from '@polyanthus/kube-kinds/own/runbook';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { executorAccount } from './executor-rights.ts';
import { hubErrors } from './errors.ts';
import type { RunHosts } from './run-hosts.ts';

/** How it is started. */
export interface RunExecutorOptions {
  /** Of the hub's own API. */
  readonly hubClient: KubeClient;
  /** A member through the gateway, as the fleet's account. */
  readonly memberClient: (ctx: Context, fleet: string, membership: string) => Promise<KubeClient>;
  readonly runbooks: (open: OpenHost) => readonly Runbook[];
  /** The hosts of a run, by what `read` gives; absent: this hub reaches none. */
  readonly hosts?: ((ctx: Context, read: (ctx: Context) => Promise<SshAccess>) => RunHosts) | undefined;
  /** Unique among executors. */
  readonly identity: string;
  readonly random: Random;
}

const lookMs = 5000;
/** Runs at once; the others wait for the next look. */
const runsMax = 32;

/** A run that is carried out, or waited for. */
interface Work {
  /** uid and generation of the handover that it follows. */
  readonly handover: string;
  readonly ended: Promise<void>;
  readonly cancel: () => void;
}

/** Looks for runs and carries them out until the context is cancelled. */
export async function runExecutor(ctx: Context, options: RunExecutorOptions): Promise<void> {
  const working = new Map<string, Work>();
  try {
    while (!ctx.signal.aborted) {
      await look(ctx, options, working).catch((error: unknown) => {
        if (!ctx.signal.aborted) ctx.log.warn('runs that were handed over cannot be read', { error });
      });
      await sleep(ctx, lookMs).catch(() => undefined);
    }
  } finally {
    await Promise.allSettled([...working.values()].map(({ ended }) => ended));
  }
}

const editionOf = ({ metadata }: RunHandover): string => `${metadata.uid ?? ''}/${metadata.generation ?? 0}`;
const keyOf = ({ metadata }: RunHandover): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;

async function look(ctx: Context, options: RunExecutorOptions, working: Map<string, Work>): Promise<void> {
  const { items } = await options.hubClient.listAll(ctx, runHandovers);
  const found = new Map(items.map((handover) => [keyOf(handover), handover]));
  // A handover that was taken back, or made anew, is not followed any more.
  for (const [key, work] of working) {
    const now = found.get(key);
    if (now === undefined || editionOf(now) !== work.handover) work.cancel();
  }
  for (const [key, handover] of found) {
    throwIfCancelled(ctx);
    if (working.has(key) || working.size >= runsMax) continue;
    const { ctx: inner, cancel } = withCancel(ctx);
    const ended = serve(inner, options, handover)
      .catch((error: unknown) => {
        if (!inner.signal.aborted) ctx.log.warn('a run is not carried out by the hub', { run: key, error });
      })
      .finally(() => working.delete(key));
    working.set(key, { handover: editionOf(handover), ended, cancel });
  }
}

async function serve(ctx: Context, options: RunExecutorOptions, handover: RunHandover): Promise<void> {
  const { hubClient } = options;
  const { namespace = '', name = '' } = handover.metadata;
  let run: Run;
  try {
    run = await hubClient.get(ctx, runs, { namespace, name });
  } catch (error) {
    if (isStatus(error, 'NotFound')) return;
    throw error;
  }
  if (!hasWork(run)) return;
  const refusal = refusalOf(options, run, handover) ?? (await keyRefusal(ctx, hubClient, handover));
  if (refusal !== undefined) return tell(ctx, hubClient, handover, refusal);
  const clusterClient = await options.memberClient(ctx, namespace, run.spec.membership ?? '');
  const forbidden = await forbiddenBy(ctx, clusterClient, run);
  await tell(ctx, hubClient, handover, forbidden ?? '');
  if (forbidden !== undefined) return;
  await carryOut(ctx, options, handover, clusterClient);
}

async function carryOut(
  ctx: Context,
  options: RunExecutorOptions,
  handover: RunHandover,
  clusterClient: KubeClient,
): Promise<void> {
  const { hubClient, identity, random } = options;
  const { namespace = '', name = '' } = handover.metadata;
  const withKey = handover.spec.sshSecret !== undefined;
  const hosts = withKey ? options.hosts?.(ctx, (inner) => readKeys(inner, hubClient, handover)) : undefined;
  try {
    await executeRun(ctx, {
      runsClient: hubClient,
      clusterClient,
      namespace,
      name,
      runbooks: options.runbooks(hosts?.open ?? noHosts),
      identity,
      random,
      // Again before each takeover: what the lease was waited for may have changed the run meanwhile.
      accept: (found) => isHandedOver(found, handover),
    });
  } finally {
    await hosts?.close();
  }
}

/** The Secret as it was when the run was handed over. Errors: HandedKeyChanged, SshSecretUnusable, StatusError. */
async function readKeys(ctx: Context, hubClient: KubeClient, { metadata, spec }: RunHandover): Promise<SshAccess> {
  const { sshSecret: name = '', sshSecretDigest } = spec;
  const access = sshAccessOf(await hubClient.get(ctx, secrets, { namespace: metadata.namespace, name }));
  if (sshDigest(access) === sshSecretDigest) return access;
  throw hubErrors.error('HandedKeyChanged', `Secret ${name} does not hold what it held when the run was handed over`);
}

async function keyRefusal(ctx: Context, hubClient: KubeClient, handover: RunHandover): Promise<string | undefined> {
  if (handover.spec.sshSecret === undefined) return undefined;
  try {
    await readKeys(ctx, hubClient, handover);
    return undefined;
  } catch (error) {
    if (error instanceof CodedError && ['HandedKeyChanged', 'SshSecretUnusable'].includes(error.code))
      return error.message;
    if (isStatus(error, 'NotFound')) return `Secret ${handover.spec.sshSecret}, which the handover names, is not there`;
    throw error;
  }
}

/** Why the hub leaves the run alone; undefined when it does not. */
function refusalOf(options: RunExecutorOptions, run: Run, handover: RunHandover): string | undefined {
  const { spec } = run;
  if (handover.spec.run !== run.metadata.uid) return 'the handover is of another run of this name';
  if (handover.spec.digest !== handoverDigest(run)) return 'the run was changed after it had been handed over';
  if (spec.membership === undefined) return 'the run names no member of the fleet';
  if (handover.spec.membership !== spec.membership) return 'the handover names another member than the run';
  const runbook = options.runbooks(noHosts).find((one) => one.id === spec.runbook);
  if (runbook === undefined || digestOf(runbook) !== spec.digest)
    return `this hub does not have runbook ${spec.runbook} of the run's digest`;
  if (!needsHosts(runbook, spec.parameters ?? {})) return undefined;
  if (options.hosts === undefined) return 'the run works on hosts, and this hub has no ssh to reach any';
  if (handover.spec.sshSecret === undefined)
    return 'the run works on hosts, and the handover names no Secret with a key';
  return undefined;
}

/** Before it is taken over: a run that the account may not even look at stays as it is. Errors of the way are waited out later. */
async function forbiddenBy(ctx: Context, client: KubeClient, run: Run): Promise<string | undefined> {
  const [target] = run.spec.targets;
  if (target === undefined) return undefined;
  const [group, version] = target.apiVersion.includes('/') ? target.apiVersion.split('/') : ['', target.apiVersion];
  const type = resourceType(group ?? '', version ?? '', target.resource, target.kind, target.namespace !== undefined);
  try {
    await client.get(ctx, type, { namespace: target.namespace, name: target.name });
    return undefined;
  } catch (error) {
    if (!isStatus(error, 'Forbidden') && !isStatus(error, 'Unauthorized')) return undefined;
    const account = `system:serviceaccount:${run.metadata.namespace ?? ''}:${executorAccount}`;
    const membership = run.spec.membership ?? '';
    return `the hub's account may not work in ${membership} (${(error as Error).message}); give it a role with: polyanthus fleet bindings create NAME --membership=${membership} --user=${account}`;
  }
}

async function tell(ctx: Context, hubClient: KubeClient, handover: RunHandover, message: string): Promise<void> {
  if ((handover.status?.message ?? '') === message) return;
  const told = { ...handover, status: { message } };
  await hubClient.update(ctx, runHandovers, told, { subresource: 'status' }).catch((error: unknown) => {
    if (!isStatus(error, 'Conflict') && !isStatus(error, 'NotFound')) throw error;
  });
}
