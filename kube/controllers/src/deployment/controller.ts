/** Wiring of the Deployment controller. */
import { deployments, events, pods, replicaSets } from '@polyanthus/kube-kinds/core';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { joinKey, keyOf } from '@polyanthus/kube-runtime/keys';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { controllerOf } from '../ownership.ts';
import { reconcileDeployment } from './reconcile.ts';

/** Rolls Deployments out over ReplicaSets. */
export const deploymentController: ControllerDefinition = {
  spec: {
    name: 'deployment-controller',
    inputs: [deployments, replicaSets, pods],
    outputs: [replicaSets, deployments, events],
    rbac: [
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'list', 'watch', 'update', 'patch'] },
      { apiGroups: ['apps'], resources: ['deployments/status', 'deployments/finalizers'], verbs: ['update', 'patch'] },
      {
        apiGroups: ['apps'],
        resources: ['replicasets'],
        verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const deploymentCache = env.informers.of(deployments);
    const sets = env.informers.of(replicaSets);
    const podCache = env.informers.of(pods);
    const queue = queueFor(ctx, env, 'deployment-controller');
    const recorder = recorderFor(ctx, env, 'deployment-controller');
    const ownersOf = controllingOwner(deployments);
    watchInto(deploymentCache, queue);
    watchInto(sets, queue, (set) => {
      if (controllerOf(set) !== undefined) return ownersOf(set);
      const neighbours = deploymentCache.byIndex('byNamespace', set.metadata.namespace ?? '');
      return neighbours
        .filter((each) => labelSelectorMatcher(each.spec.selector).matches(set.metadata.labels))
        .map(keyOf);
    });
    // Recreate waits for the last old pod to go.
    podCache.onEvent({
      onDelete: (pod) => {
        const setName = controllerOf(pod)?.name;
        const set = setName === undefined ? undefined : sets.get(joinKey(pod.metadata.namespace, setName));
        for (const key of set === undefined ? [] : ownersOf(set)) queue.add(key);
      },
    });
    const scope = { env, deploymentCache, sets, podCache, recorder };
    await runWithEvents(ctx, env, recorder, {
      name: 'deployment-controller',
      queue,
      workers: 5,
      informers: [deploymentCache, sets, podCache],
      reconcile: (inner, key) => reconcileDeployment(inner, scope, key),
    });
  },
};
