/** Wiring of the garbage collector: monitors of all kinds feed one graph, one queue holds the uids to look at. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { customResourceDefinitions } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { runController } from '@polyanthus/kube-runtime/controller';
import { queueFor, type ControllerDefinition } from '../environment.ts';
import { collect, forget, rememberAbsent, type CollectScope } from './collect.ts';
import { nodeOf, OwnerGraph } from './graph.ts';
import { Monitors } from './monitors.ts';

/** How often discovery is read; a CRD that changes is noticed at once. */
const refreshMs = 30_000;

/** Deletes what lost its owners, over every kind that is served. Its queue holds uids. */
export const garbageCollector: ControllerDefinition = {
  spec: {
    name: 'garbage-collector-controller',
    inputs: [customResourceDefinitions],
    outputs: [],
    rbac: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['delete', 'get', 'list', 'patch', 'update', 'watch'] },
      { nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*'], verbs: ['get'] },
    ],
  },
  run: async (ctx, env) => {
    const queue = queueFor(ctx, env, 'garbage-collector-controller');
    const graph = new OwnerGraph();
    const absent = new Map<string, true>();
    const enqueue = (uid: string): void => queue.add(uid);
    const monitors = new Monitors(env, {
      seen: (type, object) => seen(graph, enqueue, type, object),
      gone: (object, seenDeleted) => {
        const node = graph.get(object.metadata.uid ?? '');
        if (node === undefined) return;
        // Dependents can then be judged even when the kind itself is no longer served: a CRD that was deleted.
        if (seenDeleted && graph.dependentsOf(node.uid).length > 0) rememberAbsent({ absent }, node.uid);
        forget({ graph, enqueue }, node);
      },
    });
    const scope: CollectScope = { env, graph, monitors, enqueue, absent };
    const first = refreshUntilDone(ctx, monitors);
    await Promise.all([
      keepRefreshing(ctx, first, monitors, env.informers.of(customResourceDefinitions)),
      runController(ctx, {
        name: 'garbage-collector-controller',
        queue,
        workers: 5,
        metrics: env.metrics,
        // Before all kinds are known an owner could look gone that was only not listed yet.
        informers: [{ synced: first.then(() => monitors.synced()) }],
        reconcile: (inner, uid) => collect(inner, scope, uid),
      }),
    ]);
  },
};

/** What a new state of an object makes worth a look. */
function seen(graph: OwnerGraph, enqueue: (uid: string) => void, type: ResourceType, object: KubeObject): void {
  const node = nodeOf(type, object);
  const before = graph.put(node);
  if (node.orphansDependents || node.waitsForDependents) enqueue(node.uid);
  if (node.waitsForDependents && before?.waitsForDependents !== true) {
    for (const dependent of graph.blockingDependentsOf(node.uid)) enqueue(dependent.uid);
  }
  // Owners that are unknown or end already; a dependent may also be told before its owner.
  const doubtful = node.owners.some((owner) => graph.get(owner.uid)?.waitsForDependents ?? true);
  if (node.owners.length > 0 && doubtful) enqueue(node.uid);
  // An owner that waited for this object may go on once the reference is gone.
  for (const owner of before?.owners ?? []) if (graph.get(owner.uid)?.waitsForDependents === true) enqueue(owner.uid);
}

async function refreshUntilDone(ctx: Context, monitors: Monitors): Promise<void> {
  while (!ctx.signal.aborted) {
    try {
      await monitors.refresh(ctx);
      return;
    } catch (error) {
      if (ctx.signal.aborted) return;
      ctx.log.warn('discovery failed, retrying', { controller: 'garbage-collector-controller', error });
      await sleep(ctx, 1000).catch(() => undefined);
    }
  }
}

async function keepRefreshing(
  ctx: Context,
  first: Promise<void>,
  monitors: Monitors,
  crds: { onEvent(handler: { onAdd: () => void; onUpdate: () => void; onDelete: () => void }): () => void },
): Promise<void> {
  await first;
  let changed = Promise.withResolvers<void>();
  const notice = (): void => changed.resolve();
  const unsubscribe = crds.onEvent({ onAdd: notice, onUpdate: notice, onDelete: notice });
  while (!ctx.signal.aborted) {
    await Promise.race([changed.promise, sleep(ctx, refreshMs).catch(() => undefined)]);
    changed = Promise.withResolvers<void>();
    await refreshUntilDone(ctx, monitors);
    // A CRD is served a moment after it is accepted; many changes at once are one refresh.
    await sleep(ctx, 1000).catch(() => undefined);
  }
  unsubscribe();
}
