/**
 * A command on the host of a Node, over ssh, as a step: begun once for each intent, adopted by whoever takes the run over,
 * proven by the exit code that the host has recorded. Undoing stops it if it still runs, and never runs it again.
 */
import { isIP } from 'node:net';
import { withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import {
  awaitCommand,
  claimHost,
  lookAtCommand,
  releaseHost,
  startCommand,
  stopCommand,
} from '@polyanthus/engine-hosts/command';
import { fenceEpoch, type FencedHost } from '@polyanthus/engine-hosts/protocol';
import { errorOf, hasSucceeded, sentenceOf, stemOf, type UnitState } from '@polyanthus/engine-hosts/unit';
import type { ParameterSpec, ParameterValues } from '@polyanthus/engine-runbook/parameters';
import type { ActionStep, CheckStep, RunEnding, StepScope, Verdict } from '@polyanthus/engine-runbook/runbook';
import type { HostConnection } from '@polyanthus/ground-ssh/connection';
import { namespaces, type Node } from '@polyanthus/kube-kinds/core';
import { lifecycleErrors } from './errors.ts';

/** Where a host is and who works there. */
export interface HostAddress {
  readonly address: string;
  readonly user: string;
  /** Absent: what ssh finds itself. */
  readonly keyFile?: string;
  /** Absent: whoever opens has them otherwise, or refuses. */
  readonly knownHostsFile?: string;
}

/** Opens no connection yet: the first command does. */
export type OpenHost = (at: HostAddress) => HostConnection;

/** For programs that reach no hosts. */
export const noHosts: OpenHost = ({ address }) => {
  throw lifecycleErrors.error('HostAccessMissing', `host ${address}: this program has no way to hosts`);
};

const minuteMs = 60_000;
/** The unit's own deadline comes first: it is what stops the command, and tells so. */
const marginMs = 30_000;

/** Parameters of a runbook with such a step. */
export const hostParameters: readonly ParameterSpec[] = [
  { name: 'run', type: 'text', help: 'command for sh on the host of each node, as root' },
  { name: 'runTimeout', type: 'duration', default: 60 * minuteMs, minimum: minuteMs, help: 'how long it may take' },
  {
    name: 'reboot',
    type: 'boolean',
    default: false,
    help: 'reboot the host of each node, after the command if there is one',
  },
  {
    name: 'rebootTimeout',
    type: 'duration',
    default: 30 * minuteMs,
    minimum: minuteMs,
    help: 'how long it may take until the node is ready again',
  },
  {
    name: 'sshUser',
    type: 'text',
    default: 'root',
    help: 'who logs in; another than root needs sudo without a password',
  },
  { name: 'sshKey', type: 'text', help: 'file of the private key, where the run is carried out' },
  { name: 'knownHosts', type: 'text', help: 'file with the keys of the hosts, where the run is carried out' },
  {
    name: 'sshSecret',
    type: 'text',
    help: 'for the hub: a Secret of the fleet with both (ssh-privatekey, known_hosts)',
  },
];

/** What an undo, or a successor, needs although the Node may be gone by then. */
export interface HostBefore {
  readonly address: string;
  /** The uid of kube-system: made with the cluster, the same for everyone who asks. */
  readonly cluster: string;
}

interface CommandBefore extends HostBefore {
  /** Attempts of this step that the host knew before: of a run that was undone and goes forward anew. */
  readonly attempts: number;
}

/** The host of the lane's Node. Errors: HostAccessMissing. */
export async function findHost(ctx: Context, scope: StepScope): Promise<HostBefore> {
  const name = scope.target?.name ?? '';
  const node = (await scope.live()) as Node;
  const address = node.status?.addresses?.find((one) => one.type === 'InternalIP')?.address;
  if (address === undefined)
    throw lifecycleErrors.error('HostAccessMissing', `Node ${name} has no InternalIP, so that its host is not known`, {
      next: 'Look at status.addresses of the Node: its kubelet or cloud provider sets them.',
    });
  // What a member says is put behind an ssh: an address, and nothing that ssh would read otherwise.
  if (isIP(address) === 0)
    throw lifecycleErrors.error('HostAccessMissing', `Node ${name} has an InternalIP that is no address`, {
      next: 'Look at status.addresses of the Node: its kubelet or cloud provider sets them.',
    });
  const system = await scope.client.get(ctx, namespaces, { name: 'kube-system' });
  return { address, cluster: system.metadata.uid ?? '' };
}

/** It in the hands of this executor. Errors: HostAccessMissing. */
export function hostAt(scope: StepScope, at: HostBefore, open: OpenHost): FencedHost {
  const { sshUser, sshKey, knownHosts } = scope.parameters;
  const { namespace, run, madeAtMs, epoch } = scope.identity;
  return {
    connection: open({
      address: at.address,
      user: String(sshUser),
      ...(sshKey === undefined ? {} : { keyFile: String(sshKey) }),
      ...(knownHosts === undefined ? {} : { knownHostsFile: String(knownHosts) }),
    }),
    fence: { cluster: at.cluster, epoch: fenceEpoch(madeAtMs, epoch), holder: `${namespace}/${run}` },
  };
}

const commandId = 'command';
const beforeOf = (scope: StepScope): CommandBefore => scope.beforeOf(commandId) as CommandBefore;
const stem = ({ identity: { run, uid } }: StepScope): string => stemOf({ run, uid, step: commandId });

function unitTimeoutMs(parameters: ParameterValues): number {
  return Number(parameters['runTimeout']) - marginMs;
}

function verdictOf(host: FencedHost, unit: UnitState, before: CommandBefore): Verdict {
  if (unit.state === 'none' || (unit.state === 'ended' && unit.attempt <= before.attempts))
    return { ok: false, final: 'not-begun', evidence: 'the host knows of no such command' };
  if (unit.state === 'running') return { ok: false, evidence: `unit ${unit.unit} is still running` };
  if (hasSucceeded(unit)) return { ok: true, evidence: sentenceOf(unit) };
  return { ok: false, final: 'failed', evidence: errorOf(host.connection.name, unit).message };
}

/** When a run works on hosts. */
const onHosts = [{ parameter: 'run' }, { parameter: 'reboot', equals: true }] as const;

/** Why a command does not reboot its host. */
export const noReboot =
  'a command that reboots its host ends with exit code 0 before the host goes down, which proves nothing: leave that out of --run (parameter run), and give --reboot (parameter reboot)';

const rebootWords =
  /^(?:(?:then|do|else|exec|nohup|sudo|-\S+|[{(!])\s*)*(?:\/\S*\/)?(?:systemctl(?:\s+-\S+)*\s+(?:reboot|kexec|soft-reboot)|reboot|shutdown\b.*\s-{1,2}r(?:eboot)?|(?:tel)?init\s+6)(?=\s|[)};]|$)/;

/** Whether a command of a script reboots the host, as people write it; not whether it does so by other means. */
export function rebootsHost(script: string): boolean {
  return script.split(/[;&|\n]+/).some((command) => rebootWords.test(command.trim()));
}

/** Before anything is changed: the host is reached, shows its key, and can do what is needed. */
export function reachStep(open: OpenHost): CheckStep {
  return {
    id: 'reach',
    kind: 'check',
    title: 'look whether the host of the node can be reached',
    when: onHosts,
    deadline: minuteMs,
    proof: {
      sentence: 'the host answers over ssh, with its pinned key, as root',
      observe: async (ctx, scope) => {
        if (rebootsHost(String(scope.parameters['run'] ?? '')))
          return { ok: false, final: 'failed', evidence: noReboot };
        const host = hostAt(scope, await findHost(ctx, scope), open);
        await lookAtCommand(ctx, host, stem(scope));
        return { ok: true, evidence: `host ${host.connection.name} answers` };
      },
    },
  };
}

/** The command itself. */
export function commandStep(open: OpenHost): ActionStep {
  const host = (scope: StepScope): FencedHost => hostAt(scope, beforeOf(scope), open);
  return {
    id: commandId,
    kind: 'action',
    title: 'run the command on the host',
    touches:
      'the host of the Node, by a systemd unit with the command of parameter run; at the end of the run the claim on it is given back',
    when: { parameter: 'run' },
    deadline: { parameter: 'runTimeout' },
    attempts: 1,
    repeat: 'never',
    before: async (ctx, scope) => {
      const found = await findHost(ctx, scope);
      const unit = await lookAtCommand(ctx, hostAt(scope, found, open), stem(scope));
      return { ...found, attempts: unit.state === 'none' ? 0 : unit.attempt };
    },
    act: (ctx, scope) => runCommand(ctx, scope, host(scope)),
    proof: {
      kind: 'happened',
      sentence: 'the host has recorded exit code 0',
      // Taking the claim first: whoever held it before cannot begin the command any more, once this has looked.
      observe: async (ctx, scope) =>
        verdictOf(host(scope), await claimHost(ctx, host(scope), stem(scope)), beforeOf(scope)),
    },
    undo: {
      title: 'stop the command if it still runs; what it did stays',
      act: (ctx, scope) => stopLeftOver(ctx, scope, host(scope)),
      prove: async (ctx, scope) => {
        const unit = await lookAtCommand(ctx, host(scope), stem(scope));
        return { ok: unit.state !== 'running', evidence: textOf(unit) };
      },
    },
    release: {
      act: async (ctx, scope, ending) => {
        const unit = await releaseFrom(ctx, scope, { host: host(scope), stem: stem(scope) }, ending);
        return verdictOf(host(scope), unit, beforeOf(scope));
      },
      otherwise: (scope) => mayStillRun(beforeOf(scope).address, stem(scope)),
    },
  };
}

/** Where a host did not answer: what to do there. */
export function mayStillRun(address: string, own: string): string {
  return `unit ${own}-* may still run on host ${address} (to end it: systemctl stop '${own}-*' there; or abort the run once more when the host answers)`;
}

/** systemd kills what does not end within 10 s of being stopped. */
const stoppedMs = 45_000;
const stopsMax = 3;

/**
 * Gives the claim on a host back; where the run is aborted, what its step has running there is stopped first. Errors of the
 * way for whoever tries again; HostNotFenced when it goes on running. The answer is where the step's unit stands.
 */
export async function releaseFrom(
  ctx: Context,
  scope: StepScope,
  at: { readonly host: FencedHost; readonly stem: string },
  ending: RunEnding,
): Promise<UnitState> {
  const { host, stem: own } = at;
  return scope.effect(`host ${host.connection.name}`, 'give the claim on it back', async () => {
    // A start of ours that was long on its way may come in between.
    for (let left = stopsMax; ; left--) {
      try {
        return await releaseHost(ctx, host, own);
      } catch (error) {
        if (ending === 'ended' || left === 0 || !hasCode(error, 'HostBusy')) throw error;
        await stopUnit(ctx, host, own);
      }
    }
  });
}

async function stopUnit(ctx: Context, host: FencedHost, own: string): Promise<void> {
  const { name } = host.connection;
  const unit = await stopCommand(ctx, host, own);
  if (unit.state !== 'running') return;
  try {
    await withTimeout(ctx, stoppedMs, 'a stop', (inner) => awaitCommand(inner, host, own, unit));
  } catch (cause) {
    if (!hasCode(cause, 'DeadlineExceeded')) throw cause;
    const because = `unit ${unit.unit} is still running on host ${name}, ${stoppedMs / 1000} s after it was stopped`;
    throw lifecycleErrors.error('HostNotFenced', because, { cause });
  }
}

async function runCommand(ctx: Context, scope: StepScope, host: FencedHost): Promise<void> {
  const { run } = scope.parameters;
  const attempt = beforeOf(scope).attempts + scope.identity.attempt;
  const timeoutMs = unitTimeoutMs(scope.parameters);
  await scope.effect(
    `host ${host.connection.name}`,
    `begin unit ${stem(scope)}-${attempt}, or wait for it`,
    async () => {
      const begun = await startCommand(ctx, host, { stem: stem(scope), attempt, command: String(run), timeoutMs });
      const ended = await awaitCommand(ctx, host, stem(scope), begun);
      if (ended !== undefined && !hasSucceeded(ended)) throw errorOf(host.connection.name, ended);
    },
  );
}

async function stopLeftOver(ctx: Context, scope: StepScope, host: FencedHost): Promise<void> {
  await scope.effect(`host ${host.connection.name}`, `stop unit ${stem(scope)} if it runs`, async () => {
    try {
      await stopCommand(ctx, host, stem(scope));
    } catch (cause) {
      if (ctx.signal.aborted || !(cause instanceof Error)) throw cause;
      throw lifecycleErrors.error('HostNotFenced', `the command may still run: ${cause.message}`, { cause });
    }
  });
}

function textOf(unit: UnitState): string {
  if (unit.state === 'none') return 'it was never begun';
  return unit.state === 'running' ? `unit ${unit.unit} is still running` : sentenceOf(unit);
}
