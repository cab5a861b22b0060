/** Removes pods that nobody else removes (kube-controller-manager's podgc/gc_controller.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { runController, type ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';
import { disruptPod, type Disruption } from './disrupt.ts';
import { isNodeReady } from './node-state.ts';

const name = 'pod-garbage-collector-controller';
const sweepMs = 20_000;
/** A node that is missing may only be late in the cache. */
const quarantineMs = 40_000;
/** --terminated-pod-gc-threshold */
const endedPodsMax = 12_500;
const outOfService = 'node.kubernetes.io/out-of-service';

/** Collects pods of nodes that are gone, pods that were never bound and are to go, and the oldest of very many ended ones. */
export const podGarbageCollector: ControllerDefinition = {
  spec: {
    name,
    inputs: [nodes, pods],
    outputs: [pods],
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['delete', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const scope: Sweep = {
      env,
      nodeCache: env.informers.of(nodes),
      podCache: env.informers.of(pods),
      missingSinceMs: new Map(),
    };
    const queue = queueFor(ctx, env, name);
    queue.add('sweep');
    await runController(ctx, {
      name,
      queue,
      metrics: env.metrics,
      informers: [scope.nodeCache, scope.podCache],
      reconcile: (inner) => sweep(inner, scope),
    });
  },
};

interface Sweep {
  readonly env: ControllerEnv;
  readonly nodeCache: Informer<Node>;
  readonly podCache: Informer<Pod>;
  /** Nodes that pods name and the cache lacks, by the monotonic clock. */
  readonly missingSinceMs: Map<string, number>;
}

async function sweep(ctx: Context, scope: Sweep): Promise<ReconcileResult> {
  const gone = await goneNodes(ctx, scope);
  for (const pod of scope.podCache.list()) {
    const why = reasonToGo(scope, pod, gone);
    if (why !== undefined) await disruptPod(ctx, scope.env.client, pod, why);
  }
  for (const pod of surplus(scope.podCache.list())) await disruptPod(ctx, scope.env.client, pod, { lost: true });
  return { requeueAfterMs: sweepMs };
}

/** Nodes that have been missing for a while and that the API server does not know either. */
async function goneNodes(ctx: Context, scope: Sweep): Promise<ReadonlySet<string>> {
  const nowMs = ctx.clock.monotonic();
  const named = new Set(scope.podCache.list().map((pod) => pod.spec.nodeName ?? ''));
  const missing = [...named].filter((node) => node !== '' && scope.nodeCache.get(node) === undefined);
  for (const node of scope.missingSinceMs.keys()) if (!missing.includes(node)) scope.missingSinceMs.delete(node);
  const gone = new Set<string>();
  for (const node of missing) {
    const sinceMs = scope.missingSinceMs.get(node) ?? nowMs;
    scope.missingSinceMs.set(node, sinceMs);
    if (nowMs - sinceMs >= quarantineMs && (await isGone(ctx, scope, node))) gone.add(node);
  }
  return gone;
}

async function isGone(ctx: Context, { env }: Sweep, node: string): Promise<boolean> {
  try {
    await env.client.get(ctx, nodes, { name: node });
    return false;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return true;
    throw error;
  }
}

function reasonToGo({ nodeCache }: Sweep, pod: Pod, gone: ReadonlySet<string>): Disruption | undefined {
  const { nodeName = '' } = pod.spec;
  if (gone.has(nodeName)) return { lost: true, reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' };
  if (pod.metadata.deletionTimestamp === undefined) return undefined;
  if (nodeName === '') return { lost: true };
  const node = nodeCache.get(nodeName);
  const abandoned =
    node !== undefined && !isNodeReady(node) && node.spec?.taints?.some(({ key }) => key === outOfService) === true;
  return abandoned ? { lost: true } : undefined;
}

/** The oldest ended pods beyond the number that is kept for people to read. */
function surplus(all: readonly Pod[]): readonly Pod[] {
  const ended = all.filter(({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  if (ended.length <= endedPodsMax) return [];
  const age = ({ metadata }: Pod): string => `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`;
  return ended.sort((a, b) => (age(a) < age(b) ? -1 : 1)).slice(0, ended.length - endedPodsMax);
}
