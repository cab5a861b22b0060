/**
 * A reboot of the host of a Node as a step: ordered once, by a systemd unit that begins in no other boot than the one in which
 * it was decided, and proven by another boot of the host, in which its kubelet says that the Node is ready.
 */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { startCommand, standingOf } from '@polyanthus/engine-hosts/command';
import type { FencedHost } from '@polyanthus/engine-hosts/protocol';
import { hasSucceeded, sentenceOf, stemOf, type UnitState } from '@polyanthus/engine-hosts/unit';
import type { ActionStep, StepScope, Verdict } from '@polyanthus/engine-runbook/runbook';
import type { Node } from '@polyanthus/kube-kinds/core';
import { readyStatus } from '@polyanthus/kube-kinds/ready';
import { findHost, hostAt, releaseFrom, type HostBefore, type OpenHost } from './host-command.ts';
import { heartbeat, type Heartbeat } from './sign-of-life.ts';

const rebootId = 'reboot';
/** For systemd to take the order; the host stops the unit itself when it goes down. */
const orderMs = 60_000;
const pollMs = 1000;

interface RebootBefore extends HostBefore {
  /** The boot that is to end. */
  readonly boot: string;
  /** Whether the Node names it: then it must name the new one too. */
  readonly named: boolean;
  /** As of a command: attempts that the host knew before. */
  readonly attempts: number;
}

const beforeOf = (scope: StepScope): RebootBefore => scope.beforeOf(rebootId) as RebootBefore;
const stem = ({ identity: { run, uid } }: StepScope): string => stemOf({ run, uid, step: rebootId });
const read = (scope: StepScope): Promise<Node> => scope.live() as Promise<Node>;

function names(node: Node, boot: string): boolean {
  const named = node.status?.nodeInfo?.['bootID'] ?? '';
  return named !== '' && boot.startsWith(named);
}

/** The reboot. */
export function rebootStep(open: OpenHost): ActionStep {
  const host = (scope: StepScope): FencedHost => hostAt(scope, beforeOf(scope), open);
  return {
    id: rebootId,
    kind: 'action',
    title: 'reboot the host',
    touches:
      'the host of the Node, by a systemd unit with `systemctl reboot`; at the end of the run the claim on it is given back',
    when: { parameter: 'reboot', equals: true },
    deadline: { parameter: 'rebootTimeout' },
    attempts: 1,
    repeat: 'never',
    before: async (ctx, scope) => {
      const found = await findHost(ctx, scope);
      const { unit, boot } = await standingOf(ctx, hostAt(scope, found, open), stem(scope), 'look');
      const named = names(await read(scope), boot);
      return { ...found, boot, named, attempts: unit.state === 'none' ? 0 : unit.attempt };
    },
    act: (ctx, scope) => reboot(ctx, scope, host(scope)),
    mark: heartbeat,
    proof: {
      kind: 'happened',
      sentence: 'the host is up with another boot id, and in that boot its kubelet has reported the Node ready',
      // Taking the claim first: whoever held it before cannot order the reboot any more, once this has looked.
      observe: async (ctx, scope) => {
        const { unit, boot } = await standingOf(ctx, host(scope), stem(scope), 'claim');
        return boot === beforeOf(scope).boot ? notYet(unit, beforeOf(scope)) : isReady(ctx, scope, boot);
      },
    },
    undo: {
      title: 'wait until the host is up, whether it was rebooted or not',
      act: () => Promise.resolve(),
      prove: async (ctx, scope) => {
        const { unit, boot } = await standingOf(ctx, host(scope), stem(scope), 'claim');
        const verdict = boot === beforeOf(scope).boot ? notYet(unit, beforeOf(scope)) : undefined;
        // Ordered, and not gone down yet: a node that is about to go is not taken back.
        return verdict !== undefined && verdict.final === undefined ? verdict : isReady(ctx, scope, boot);
      },
    },
    release: {
      act: async (ctx, scope, ending) => {
        const unit = await releaseFrom(ctx, scope, { host: host(scope), stem: stem(scope) }, ending);
        const ok = unit.state === 'ended' && unit.attempt > beforeOf(scope).attempts && !hasFailed(unit);
        return { ok, evidence: unit.state === 'ended' ? sentenceOf(unit) : 'the reboot was not ordered' };
      },
      otherwise: (scope) =>
        `host ${beforeOf(scope).address} may still be rebooting (look at it, or abort the run once more when it answers)`,
    },
  };
}

/** Orders it, unless the host has left that boot already, and waits until it has. */
async function reboot(ctx: Context, scope: StepScope, host: FencedHost): Promise<void> {
  const { attempts, boot } = beforeOf(scope);
  const attempt = attempts + scope.identity.attempt;
  const command = { stem: stem(scope), attempt, command: 'systemctl reboot', timeoutMs: orderMs, boot };
  await scope.effect(`host ${host.connection.name}`, `reboot it, unless it has left boot ${boot}`, async () => {
    await startCommand(ctx, host, command);
    for (;;) {
      const found = await standingOf(ctx, host, stem(scope), 'look');
      if (found.boot !== boot) return;
      // Refused: the proof says so.
      if (hasFailed(found.unit)) return;
      await sleep(ctx, pollMs);
    }
  });
}

/** A unit that went down with its host has done what it should. */
const hasFailed = (unit: UnitState): boolean =>
  unit.state === 'ended' && !hasSucceeded(unit) && !['rebooted', 'stopped', 'killed'].includes(unit.result);

function notYet(unit: UnitState, before: RebootBefore): Verdict {
  if (unit.state === 'none' || unit.attempt <= before.attempts)
    return { ok: false, final: 'not-begun', evidence: 'the host knows of no order to reboot' };
  if (hasFailed(unit) && unit.state === 'ended') return { ok: false, final: 'failed', evidence: sentenceOf(unit) };
  return { ok: false, evidence: `the host was told to reboot (unit ${unit.unit}) and is still in boot ${before.boot}` };
}

/** What the Node says must be of this boot: it names it, or, where it named none before, its Lease was renewed since. */
async function isReady(ctx: Context, scope: StepScope, boot: string): Promise<Verdict> {
  const before = beforeOf(scope);
  const node = await read(scope);
  const beat = await heartbeat(ctx, scope);
  const status = readyStatus(node) ?? 'Unknown';
  const since = `boot ${before.boot} before, ${boot} now`;
  if (before.named && !names(node, boot))
    return { ok: false, evidence: `${since}; the Node is still of boot ${node.status?.nodeInfo?.['bootID'] ?? ''}` };
  if (boot !== before.boot && beat !== undefined && beat.renewed === (scope.mark as Heartbeat | undefined)?.renewed)
    return { ok: false, evidence: `${since}; no heartbeat since ${beat.renewed}` };
  return { ok: status === 'True', evidence: `${since}; Ready is ${status}` };
}
