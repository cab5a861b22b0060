/** Wiring of the StatefulSet controller. */
import { events, pods } from '@polyanthus/kube-kinds/core';
import { controllerRevisions, persistentVolumeClaims, statefulSets } from '@polyanthus/kube-kinds/workloads';
import { Expectations } from '@polyanthus/kube-runtime/expectations';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { adoptersOf, concernedBy, expectPods } from '../pod-writes.ts';
import { reconcileStatefulSet } from './reconcile.ts';
import type { StatefulSetScope } from './round.ts';

const name = 'statefulset-controller';

/** Keeps pods with an identity and storage of their own. */
export const statefulSetController: ControllerDefinition = {
  spec: {
    name,
    inputs: [statefulSets, pods, controllerRevisions, persistentVolumeClaims],
    outputs: [pods, statefulSets, controllerRevisions, persistentVolumeClaims, events],
    rbac: [
      { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['get', 'list', 'watch'] },
      {
        apiGroups: ['apps'],
        resources: ['statefulsets/status', 'statefulsets/finalizers'],
        verbs: ['update', 'patch'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'] },
      {
        apiGroups: ['apps'],
        resources: ['controllerrevisions'],
        verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      },
      {
        apiGroups: [''],
        resources: ['persistentvolumeclaims'],
        verbs: ['create', 'get', 'list', 'patch', 'update', 'watch'],
      },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const sets = env.informers.of(statefulSets);
    const podCache = env.informers.of(pods);
    const claimCache = env.informers.of(persistentVolumeClaims);
    const revisionCache = env.informers.of(controllerRevisions);
    const queue = queueFor(ctx, env, name);
    const expectations = new Expectations(ctx.clock);
    const recorder = recorderFor(ctx, env, name);
    const ownersOf = controllingOwner(statefulSets);
    const setsIn = (namespace: string | undefined) => sets.byIndex('byNamespace', namespace ?? '');
    watchInto(sets, queue);
    expectPods(podCache, expectations, ownersOf);
    watchInto(podCache, queue, concernedBy(ownersOf, adoptersOf(sets)));
    // A place may wait for the claim of its last pod to go.
    claimCache.onEvent({
      onDelete: (claim) => {
        for (const set of setsIn(claim.metadata.namespace))
          if ((set.spec.volumeClaimTemplates ?? []).length > 0) queue.add(keyOf(set));
      },
    });
    const scope: StatefulSetScope = {
      client: env.client,
      sets,
      podCache,
      claimCache,
      revisionCache,
      expectations,
      recorder,
    };
    await runWithEvents(ctx, env, recorder, {
      name,
      queue,
      workers: 5,
      informers: [sets, podCache, claimCache, revisionCache],
      reconcile: (inner, key) => reconcileStatefulSet(inner, scope, key),
    });
  },
};
