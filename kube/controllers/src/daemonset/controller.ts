/** Wiring of the DaemonSet controller. */
import { events, nodes, pods, type Node } from '@polyanthus/kube-kinds/core';
import { controllerRevisions, daemonSets } from '@polyanthus/kube-kinds/workloads';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { Expectations } from '@polyanthus/kube-runtime/expectations';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { adoptersOf, concernedBy, expectPods } from '../pod-writes.ts';
import { FailedPods } from './failed-pods.ts';
import { reconcileDaemonSet } from './reconcile.ts';
import type { DaemonSetScope } from './round.ts';

const name = 'daemonset-controller';

/** Keeps a pod of each DaemonSet on every node that it selects. */
export const daemonSetController: ControllerDefinition = {
  spec: {
    name,
    inputs: [daemonSets, pods, nodes, controllerRevisions],
    outputs: [pods, daemonSets, controllerRevisions, events],
    rbac: [
      { apiGroups: ['apps'], resources: ['daemonsets'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['apps'], resources: ['daemonsets/status', 'daemonsets/finalizers'], verbs: ['update', 'patch'] },
      { apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete', 'list', 'patch', 'watch'] },
      { apiGroups: [''], resources: ['pods/binding'], verbs: ['create'] },
      {
        apiGroups: ['apps'],
        resources: ['controllerrevisions'],
        verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const sets = env.informers.of(daemonSets);
    const podCache = env.informers.of(pods);
    const nodeCache = env.informers.of(nodes);
    const revisionCache = env.informers.of(controllerRevisions);
    const queue = queueFor(ctx, env, name);
    const expectations = new Expectations(ctx.clock);
    const recorder = recorderFor(ctx, env, name);
    const ownersOf = controllingOwner(daemonSets);
    watchInto(sets, queue);
    expectPods(podCache, expectations, ownersOf);
    watchInto(podCache, queue, concernedBy(ownersOf, adoptersOf(sets)));
    watchInto(nodeCache, queue, () => sets.list().map(keyOf), nodeMatters);
    const scope: DaemonSetScope = {
      writer: { client: env.client, expectations, recorder },
      sets,
      podCache,
      nodeCache,
      revisionCache,
      failedPods: new FailedPods(ctx.clock),
    };
    await runWithEvents(ctx, env, recorder, {
      name,
      queue,
      workers: 2,
      informers: [sets, podCache, nodeCache, revisionCache],
      reconcile: (inner, key) => reconcileDaemonSet(inner, scope, key),
    });
  },
};

/** Heartbeats change nothing about where pods belong. */
function nodeMatters(before: Node, after: Node): boolean {
  return (
    !jsonEqual(before.metadata.labels, after.metadata.labels) || !jsonEqual(before.spec?.taints, after.spec?.taints)
  );
}
