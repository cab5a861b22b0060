/** Deletes pods whose node has NoExecute taints that they do not tolerate, or no longer (tainteviction/taint_eviction.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { events, nodes, pods, type Node, type Pod, type Taint } from '@polyanthus/kube-kinds/core';
import { toleratesTaint } from '@polyanthus/kube-kinds/placement';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition, type ControllerEnv } from '../environment.ts';
import { disruptPod } from './disrupt.ts';

const name = 'taint-eviction-controller';

/** Evicts by taints. */
export const taintEvictionController: ControllerDefinition = {
  spec: {
    name,
    inputs: [nodes, pods],
    outputs: [pods, events],
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['delete', 'get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const nodeCache = env.informers.of(nodes);
    const podCache = env.informers.of(pods);
    const queue = queueFor(ctx, env, name);
    const recorder = recorderFor(ctx, env, name);
    const scope: EvictionScope = { env, nodeCache, podCache, recorder, sinceMs: new Map() };
    const onNode = (node: Node): readonly string[] => podCache.byIndex('byNode', node.metadata.name ?? '').map(keyOf);
    watchInto(nodeCache, queue, onNode, (before, after) => !jsonEqual(noExecute(before), noExecute(after)));
    watchInto(
      podCache,
      queue,
      (pod) => (noExecute(nodeCache.get(pod.spec.nodeName ?? '')).length === 0 ? [] : [keyOf(pod)]),
      (before, after) =>
        before.spec.nodeName !== after.spec.nodeName || !jsonEqual(before.spec.tolerations, after.spec.tolerations),
    );
    podCache.onEvent({ onDelete: (pod) => void scope.sinceMs.delete(pod.metadata.uid ?? '') });
    await runWithEvents(ctx, env, recorder, {
      name,
      queue,
      workers: 8,
      informers: [nodeCache, podCache],
      reconcile: (inner, key) => reconcilePod(inner, scope, key),
    });
  },
};

interface EvictionScope {
  readonly env: ControllerEnv;
  readonly nodeCache: Informer<Node>;
  readonly podCache: Informer<Pod>;
  readonly recorder: EventRecorder;
  /** Since when a pod has been bearing taints for a time only, by uid; by the monotonic clock. */
  readonly sinceMs: Map<string, number>;
}

const noExecute = (node: Node | undefined): readonly Taint[] =>
  (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');

/** How long the pod bears the taints: 0 when it does not, Infinity when it does for ever. */
export function tolerationMs({ spec }: Pod, taints: readonly Taint[]): number {
  let shortest = Infinity;
  for (const taint of taints) {
    const taking = (spec.tolerations ?? []).filter((toleration) => toleratesTaint(toleration, taint));
    if (taking.length === 0) return 0;
    for (const { tolerationSeconds } of taking)
      if (tolerationSeconds !== undefined) shortest = Math.min(shortest, Math.max(0, tolerationSeconds) * 1000);
  }
  return shortest;
}

async function reconcilePod(ctx: Context, scope: EvictionScope, key: string): Promise<ReconcileResult | void> {
  const pod = scope.podCache.get(key);
  if (pod?.spec.nodeName === undefined || pod.metadata.deletionTimestamp !== undefined) return undefined;
  const uid = pod.metadata.uid ?? '';
  const waitMs = tolerationMs(pod, noExecute(scope.nodeCache.get(pod.spec.nodeName)));
  if (waitMs === Infinity) {
    if (scope.sinceMs.delete(uid))
      scope.recorder.record(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
    return undefined;
  }
  const nowMs = ctx.clock.monotonic();
  const sinceMs = scope.sinceMs.get(uid) ?? nowMs;
  if (waitMs > 0) scope.sinceMs.set(uid, sinceMs);
  const leftMs = sinceMs + waitMs - nowMs;
  if (waitMs > 0 && leftMs > 0) return { requeueAfterMs: leftMs };
  await evict(ctx, scope, pod);
  return undefined;
}

/** On what the API server says now: a taint that was just taken off evicts nobody. */
async function evict(ctx: Context, scope: EvictionScope, cached: Pod): Promise<void> {
  const { namespace, name: podName = '', uid } = cached.metadata;
  const { client } = scope.env;
  try {
    const pod = await client.get(ctx, pods, { namespace, name: podName });
    if (pod.metadata.uid !== uid || pod.metadata.deletionTimestamp !== undefined) return;
    const node = await client.get(ctx, nodes, { name: pod.spec.nodeName ?? '' });
    if (tolerationMs(pod, noExecute(node)) === Infinity) return;
    scope.recorder.record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${keyOf(pod)}`);
    await disruptPod(ctx, client, pod, {
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
    });
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}
