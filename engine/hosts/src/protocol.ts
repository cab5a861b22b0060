/** One request to a host's script and its answer: refusals become coded errors. */
import type { Context } from '@polyanthus/ground-base/context';
import type { HostConnection } from '@polyanthus/ground-ssh/connection';
import { quoteWord } from '@polyanthus/ground-ssh/quote';
import { hostsErrors } from './errors.ts';
import { hostScript } from './scripts.ts';
import type { UnitResult, UnitState } from './unit.ts';

/** Who works on the host: kept there as its claim. */
export interface HostFence {
  /** Uuid of the cluster, minted once. */
  readonly cluster: string;
  /** A higher one takes over, a lower one is refused: see `fenceEpoch`. */
  readonly epoch: number;
  /** For people: `NAMESPACE/RUN`. */
  readonly holder: string;
}

/** A host in the hands of one executor. */
export interface FencedHost {
  readonly connection: HostConnection;
  readonly fence: HostFence;
  /** Where claim, journal and units are; the default is /var/lib/polyanthus/host. */
  readonly stateDir?: string;
}

/** Runs in a second at most that may follow each other: the place that takeovers have within an epoch. */
const takeoversMax = 1_000_000;

/**
 * The epoch of one takeover of one run, comparable over all runs of a cluster: a run that was made later stands higher, and
 * within a run a later takeover does. `madeAtMs` is the Run's creationTimestamp.
 */
export function fenceEpoch(madeAtMs: number, takeover: number): number {
  return Math.floor(madeAtMs / 1000) * takeoversMax + Math.min(takeover, takeoversMax - 1);
}

/** What is asked for. */
export interface HostRequest {
  readonly verb: 'look' | 'claim' | 'start' | 'stop' | 'release' | 'journal';
  readonly stem?: string;
  readonly attempt?: number;
  readonly seconds?: number;
  readonly command?: string;
  /** Of `start`: begun only while the host is in this boot. */
  readonly boot?: string;
}

/** What the host answers: values by key, and the text after the empty line. */
export interface HostReply {
  readonly values: ReadonlyMap<string, string>;
  readonly text: string;
}

const defaultDir = '/var/lib/polyanthus/host';
/** Longer than the script waits for the host's lock. */
const requestMs = 60_000;

/** Sends it. Errors: those of ground/ssh, and of this room but for how commands end. */
export async function askHost(ctx: Context, host: FencedHost, request: HostRequest): Promise<HostReply> {
  const { connection, fence, stateDir = defaultDir } = host;
  const { verb, stem = '-', attempt = 0, seconds = 0, command = '', boot = '-' } = request;
  const script = `${hostScript}payload=${quoteWord(command)}\nmain "$@" < /dev/null\n`;
  const args = [
    stateDir,
    verb,
    fence.cluster,
    String(fence.epoch),
    fence.holder,
    stem,
    String(attempt),
    String(seconds),
    boot,
  ];
  const answer = await connection.run(ctx, { script, args, timeoutMs: requestMs });
  const stdout = answer.stdout.toString('utf8');
  const stderr = answer.stderr.toString('utf8').trim().slice(-500);
  if (answer.code !== 0)
    throw hostsErrors.error(
      'HostScriptFailed',
      `host ${connection.name}: ${verb} ended with ${answer.code}: ${stderr}`,
    );
  const refusal = /^refused (\S+) ?(.*)/s.exec(stdout);
  if (refusal !== null) throw refusalOf(connection.name, refusal[1] ?? '', (refusal[2] ?? '').trim(), stderr);
  return replyOf(stdout);
}

function replyOf(stdout: string): HostReply {
  const end = stdout.startsWith('\n') ? 0 : stdout.indexOf('\n\n');
  const head = end < 0 ? stdout : stdout.slice(0, end);
  const values = new Map<string, string>();
  for (const line of head.split('\n')) {
    const at = line.indexOf(' ');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  return { values, text: end < 0 ? '' : stdout.slice(end + (end === 0 ? 1 : 2)) };
}

const fullKiB = 1024;

function refusalOf(host: string, word: string, detail: string, stderr: string): Error {
  const [first = '', second = '', ...rest] = detail.split(' ');
  switch (word) {
    case 'foreign':
      return hostsErrors.error(
        'HostForeign',
        `host ${host} belongs to cluster ${second} (${rest.join(' ')}), as its ${first} says`,
      );
    case 'epoch':
      return hostsErrors.error(
        'HostTakenOver',
        `host ${host} is held by ${[second, ...rest].join(' ')} with the higher epoch ${first}`,
      );
    case 'released':
      return hostsErrors.error(
        'HostTakenOver',
        `host ${host} was given back by ${[second, ...rest].join(' ')} in epoch ${first}`,
      );
    case 'busy':
      return hostsErrors.error('HostBusy', `host ${host}: unit ${first} is still running`);
    case 'locked':
      return hostsErrors.error('HostBusy', `host ${host}: another script holds ${first} for too long`);
    case 'unwritable':
      return unwritable(host, first, [second, ...rest].join(' '), stderr);
    case 'damaged':
      return hostsErrors.error('HostStateBroken', `host ${host}: ${first} is damaged`);
    case 'tool':
      return hostsErrors.error('HostToolMissing', `host ${host} has no ${first}`);
    case 'stopping':
      return hostsErrors.error('HostStopping', `host ${host} is shutting down`);
    case 'unit':
      return hostsErrors.error('HostUnitRefused', `host ${host}: systemd-run: ${detail.slice(-500)}`);
    default:
      return hostsErrors.error('HostScriptFailed', `host ${host} refused: ${word} ${detail}`);
  }
}

function unwritable(host: string, freeKiB: string, folder: string, stderr: string): Error {
  if (Number(freeKiB) < fullKiB || /No space left|quota/i.test(stderr))
    return hostsErrors.error('HostDiskFull', `host ${host}: ${freeKiB} KiB are free for ${folder}`);
  return hostsErrors.error('HostStateBroken', `host ${host}: ${folder} cannot be written: ${stderr}`);
}

const results: readonly UnitResult[] = ['exited', 'stopped', 'deadline', 'killed', 'rebooted', 'lost', 'refused'];

/** The unit that a reply speaks of. */
export function unitOf({ values, text }: HostReply, host: string): UnitState {
  const state = values.get('state');
  if (state === 'none') return { state };
  const unit = values.get('unit') ?? '';
  const attempt = Number(values.get('attempt'));
  if (state === 'running') return { state, unit, attempt };
  const result = results.find((one) => one === values.get('result'));
  if (state !== 'ended' || result === undefined)
    throw hostsErrors.error('HostScriptFailed', `host ${host} gave no answer that is known: ${[...values].join(' ')}`);
  const code = /^\d+$/.test(values.get('code') ?? '') ? Number(values.get('code')) : undefined;
  return { state, unit, attempt, result, code, folder: values.get('folder') ?? '', output: text };
}
