/** Wiring of the disruption controller. */
import { deployments, events, pods, replicaSets, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { statefulSets } from '@polyanthus/kube-kinds/workloads';
import { runController } from '@polyanthus/kube-runtime/controller';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { reconcileBudget } from './reconcile.ts';
import { replicationControllers, scaleFinder } from './scale.ts';
import { selects } from './selector.ts';
import { clearStale, staleInMs } from './stale.ts';

const read = ['get', 'list', 'watch'];

/** Counts the pods of disruption budgets, so that the Eviction API knows how many may go. */
export const disruptionController: ControllerDefinition = {
  spec: {
    name: 'disruption-controller',
    inputs: [podDisruptionBudgets, pods, replicaSets, deployments, statefulSets, replicationControllers],
    outputs: [podDisruptionBudgets, pods, events],
    rbac: [
      { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: read },
      { apiGroups: ['policy'], resources: ['poddisruptionbudgets/status'], verbs: ['update'] },
      { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets'], verbs: read },
      { apiGroups: [''], resources: ['replicationcontrollers', 'pods'], verbs: read },
      { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
      { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const budgets = env.informers.of(podDisruptionBudgets);
    const podCache = env.informers.of(pods);
    const { find, informers } = scaleFinder(env);
    const queue = queueFor(ctx, env, 'disruption');
    const staleQueue = queueFor(ctx, env, 'stale_pod_disruption');
    const recorder = recorderFor(ctx, env, 'controllermanager');
    watchInto(budgets, queue);
    watchInto(podCache, queue, (pod) => {
      const mine = budgets
        .byIndex('byNamespace', pod.metadata.namespace ?? '')
        .filter((budget) => selects(budget, pod.metadata.labels));
      const { namespace = '', name = '' } = pod.metadata;
      if (mine.length > 1)
        recorder.record(
          pod,
          'Warning',
          'MultiplePodDisruptionBudgets',
          `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets.  Chose "${mine[0]?.metadata.name ?? ''}" arbitrarily.`,
        );
      return mine.map(keyOf);
    });
    const watchStale = (pod: Pod): void => {
      const waitMs = staleInMs(pod, ctx.clock.now());
      if (waitMs !== undefined) staleQueue.addAfter(keyOf(pod), waitMs);
    };
    podCache.onEvent({ onAdd: watchStale, onUpdate: (_before, pod) => watchStale(pod) });
    const scope = { env, budgets, podCache, find, recorder };
    const all = [budgets, podCache, ...informers];
    await Promise.all([
      runWithEvents(ctx, env, recorder, {
        name: 'disruption-controller',
        queue,
        informers: all,
        reconcile: (inner, key) => reconcileBudget(inner, scope, key),
      }),
      runController(ctx, {
        name: 'stale-pod-disruption',
        queue: staleQueue,
        metrics: env.metrics,
        informers: [podCache],
        reconcile: (inner, key) => clearStale(inner, env.client, podCache.get(key)),
      }),
    ]);
  },
};
