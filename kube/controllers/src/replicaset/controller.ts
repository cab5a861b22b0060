/** Wiring of the ReplicaSet controller. */
import { events, pods, replicaSets, type Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { Expectations } from '@polyanthus/kube-runtime/expectations';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { adoptersOf, concernedBy, expectPods } from '../pod-writes.ts';
import { isPodActive } from '../pods.ts';
import { reconcileReplicaSet } from './reconcile.ts';

/** Keeps as many pods as each ReplicaSet asks for. */
export const replicaSetController: ControllerDefinition = {
  spec: {
    name: 'replicaset-controller',
    inputs: [replicaSets, pods],
    outputs: [pods, replicaSets, events],
    rbac: [
      { apiGroups: ['apps'], resources: ['replicasets'], verbs: ['get', 'list', 'watch', 'update', 'patch'] },
      { apiGroups: ['apps'], resources: ['replicasets/status', 'replicasets/finalizers'], verbs: ['update', 'patch'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete', 'list', 'watch', 'patch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const sets = env.informers.of(replicaSets);
    const podCache = env.informers.of(pods);
    const queue = queueFor(ctx, env, 'replicaset-controller');
    const expectations = new Expectations(ctx.clock);
    const recorder = recorderFor(ctx, env, 'replicaset-controller');
    const ownersOf = controllingOwner(replicaSets);
    watchInto(sets, queue);
    expectPods(podCache, expectations, ownersOf);
    watchInto(podCache, queue, concernedBy(ownersOf, adoptersOf(sets)), podMatters);
    const scope = { env, sets, podCache, expectations, recorder };
    await runWithEvents(ctx, env, recorder, {
      name: 'replicaset-controller',
      queue,
      workers: 5,
      informers: [sets, podCache],
      reconcile: (inner, key) => reconcileReplicaSet(inner, scope, key),
    });
  },
};

/** Most updates of a pod (bound, started, an address) change nothing that a set counts. */
function podMatters(before: Pod, after: Pod): boolean {
  return (
    isPodActive(before) !== isPodActive(after) ||
    isReady(before) !== isReady(after) ||
    !jsonEqual(before.metadata.labels, after.metadata.labels) ||
    !jsonEqual(before.metadata.ownerReferences, after.metadata.ownerReferences)
  );
}
