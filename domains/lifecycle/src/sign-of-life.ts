/**
 * Whether a node's kubelet lives, by what only a kubelet that lives does: it renews its Lease, and it ends pods. Both are told
 * apart from what was there before, so that clocks of nodes do not matter.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { inOtherHands } from '@polyanthus/engine-runbook/effects';
import type { StepScope, Verdict } from '@polyanthus/engine-runbook/runbook';
import { follow, type Following } from '@polyanthus/kube-client/follow';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { leases } from '@polyanthus/kube-kinds/core';
import type { LifeMark } from './drain-mark.ts';

const namespace = 'kube-node-lease';
/** The duration of kubelets' Leases: for so long Kubernetes itself takes a silent kubelet for alive. */
const youngMs = 40_000;

/** Parameters with which the node is in other hands for a while: what its kubelet said before that proves nothing any more. */
export const handsOn = ['run', 'reboot', 'approve'] as const;

/** What is proven, for the plan in words. */
export const lifeSentence =
  'the Node is Ready and its kubelet alive: it has renewed its Lease since; where no command, reboot or approval came between, also by having renewed it after the cordon, or ended an evicted pod, within 40 s';

/** A renewal as it was found, by which executor and when (its monotonic clock). */
export interface Heartbeat {
  readonly renewed: string;
  readonly epoch: number;
  readonly atMs: number;
}

const nodeName = ({ target }: StepScope): string => target?.name ?? '';

async function renewal(ctx: Context, scope: StepScope): Promise<string> {
  const lease = await scope.client.get(ctx, leases, { namespace, name: nodeName(scope) });
  return lease.spec?.renewTime ?? '';
}

/** The last renewal, as a mark; undefined when the node has no Lease. */
export async function heartbeat(ctx: Context, scope: StepScope): Promise<Heartbeat | undefined> {
  const renewed = await unlessGone(renewal(ctx, scope));
  return renewed === undefined ? undefined : { renewed, epoch: scope.identity.epoch, atMs: ctx.clock.monotonic() };
}

/** Of this very process, so that its monotonic clock tells: young, and nobody had the node in hand since. */
function counts(ctx: Context, scope: StepScope, sign: { readonly epoch: number; readonly atMs: number }): boolean {
  if (inOtherHands({ handsOn }, scope.parameters)) return false;
  return sign.epoch === scope.identity.epoch && ctx.clock.monotonic() - sign.atMs <= youngMs;
}

/** The mark of the wait: what a renewal must differ from. That of the cordon where it counts, else the one of now. */
export async function lifeBefore(ctx: Context, scope: StepScope): Promise<string> {
  const cordoned = scope.markOf('cordon') as Heartbeat | undefined;
  return cordoned !== undefined && counts(ctx, scope, cordoned) ? cordoned.renewed : renewal(ctx, scope);
}

/** Whether there was one since `lifeBefore`, or by the drain. */
export async function signOfLife(ctx: Context, scope: StepScope): Promise<Verdict> {
  const word = (scope.markOf('drain') as LifeMark | undefined)?.word;
  if (word !== undefined && counts(ctx, scope, word))
    return { ok: true, evidence: `its kubelet has ended pod ${word.pod}` };
  const renewed = await renewal(ctx, scope);
  return renewed === scope.mark
    ? { ok: false, evidence: `no heartbeat since ${renewed}` }
    : { ok: true, evidence: `heartbeat ${renewed}` };
}

/** Follows the Lease. */
export function followLife(ctx: Context, scope: StepScope, wake: () => void): Following {
  const fieldSelector = `metadata.name=${nodeName(scope)}`;
  return follow(ctx, (inner) => scope.client.watch(inner, leases, { namespace, fieldSelector }), wake);
}
