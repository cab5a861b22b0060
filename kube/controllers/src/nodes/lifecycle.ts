/** One round for one node (kube-controller-manager's node_lifecycle_controller.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { leases, nodes, pods, type Lease, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import type { Heartbeats } from './heartbeats.ts';
import {
  conditionOf,
  evictionTaint,
  hasEvictionTaint,
  isNodeReady,
  silentConditions,
  withLabelCopies,
  withTaints,
} from './node-state.ts';
import { isBlackout, type EvictionPace } from './pace.ts';

/** Where kubelets keep their Leases. */
export const leaseNamespace = 'kube-node-lease';

/** What a round reads from, remembers and speaks through. */
export interface LifecycleScope {
  readonly client: KubeClient;
  readonly nodeCache: Informer<Node>;
  readonly leaseCache: Informer<Lease>;
  readonly podCache: Informer<Pod>;
  readonly heartbeats: Heartbeats;
  readonly pace: EvictionPace;
  readonly recorder: EventRecorder;
}

interface Round {
  readonly scope: LifecycleScope;
  readonly node: Node;
  readonly name: string;
  /** When to look again without any event. */
  readonly checksMs: number[];
}

/** In this order; one that has written ends the round, for the node is another one then and comes again. */
const steps: readonly ((ctx: Context, round: Round) => Promise<'written' | 'next'>)[] = [judge, markPods, taint];

/** Judges whether the node lives, and keeps the taints that say so. */
export async function reconcileNode(
  ctx: Context,
  scope: LifecycleScope,
  name: string,
): Promise<ReconcileResult | void> {
  const node = scope.nodeCache.get(name);
  if (node === undefined) {
    scope.heartbeats.forget(name);
    return undefined;
  }
  const round: Round = { scope, node, name, checksMs: [] };
  for (const step of steps) if ((await step(ctx, round)) === 'written') break;
  return round.checksMs.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...round.checksMs)) };
}

/** Silence beyond the grace makes every condition that the kubelet reports Unknown. */
async function judge(ctx: Context, { scope, node, name, checksMs }: Round): Promise<'written' | 'next'> {
  const lease = scope.leaseCache.get(`${leaseNamespace}/${name}`);
  const leftMs = scope.heartbeats.untilSilentMs(node, lease);
  if (leftMs > 0) {
    checksMs.push(leftMs);
    return 'next';
  }
  const conditions = silentConditions(node, kubeTime(ctx.clock.now()));
  if (conditions === node.status?.conditions) return 'next';
  const live = await liveLease(ctx, scope, name);
  if (scope.heartbeats.isNews(name, live)) {
    scope.heartbeats.untilSilentMs(node, live);
    checksMs.push(1000);
    return 'next';
  }
  await commit(ctx, scope.client, nodes, { before: node, after: { ...node, status: { ...node.status, conditions } } });
  if (isNodeReady(node))
    scope.recorder.record(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
  return 'written';
}

/** The cache may be behind: a node is given up on what the API server says alone. */
async function liveLease(ctx: Context, scope: LifecycleScope, name: string): Promise<Lease | undefined> {
  try {
    return await scope.client.get(ctx, leases, { namespace: leaseNamespace, name });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Pods of a silent node serve nobody as far as anyone knows. */
async function markPods(ctx: Context, { scope, node, name }: Round): Promise<'written' | 'next'> {
  if (conditionOf(node, 'Ready')?.reason !== 'NodeStatusUnknown') return 'next';
  for (const pod of scope.podCache.byIndex('byNode', name)) {
    if (!isReady(pod)) continue;
    const lastTransitionTime = kubeTime(ctx.clock.now());
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'False' as const, lastTransitionTime } : condition,
    );
    try {
      await commit(ctx, scope.client, pods, { before: pod, after: { ...pod, status: { ...pod.status, conditions } } });
    } catch (error) {
      if (hasCode(error, 'NotFound')) continue;
      throw error;
    }
    scope.recorder.record(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
  }
  return 'next';
}

/** Taints and labels, in one patch. */
async function taint(ctx: Context, { scope, node, checksMs }: Round): Promise<'written' | 'next'> {
  const { evict, waitMs } = evictionOf(scope, node);
  if (waitMs !== undefined) checksMs.push(waitMs);
  const after = withLabelCopies(withTaints(node, evict, kubeTime(ctx.clock.now())));
  if (after === node) return 'next';
  await commit(ctx, scope.client, nodes, { before: node, after });
  return 'written';
}

/** The NoExecute taint for now. One taint follows the other at once; the first is paced, and none is set in a blackout. */
function evictionOf(
  { nodeCache, pace }: LifecycleScope,
  node: Node,
): { readonly evict: string | undefined; readonly waitMs?: number } {
  const wanted = evictionTaint(node);
  if (wanted === undefined) return { evict: undefined };
  const all = nodeCache.list();
  if (isBlackout(all)) return { evict: undefined };
  if (hasEvictionTaint(node)) return { evict: wanted };
  const waitMs = pace.waitMs(node, all);
  return waitMs === 0 ? { evict: wanted } : { evict: undefined, waitMs };
}
