/** Wiring of the quota controller: admission charges, this counts what is really there. */
import { pods } from '@polyanthus/kube-kinds/core';
import { equalResources, readResources } from '@polyanthus/kube-kinds/quota/resource-list';
import { resourceQuotas } from '@polyanthus/kube-kinds/quota/resource-quota';
import { runController } from '@polyanthus/kube-runtime/controller';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { queueFor, type ControllerDefinition } from '../environment.ts';
import { CountedKinds } from './counted.ts';
import { countedQuota, kindsOf } from './usage.ts';

/** A count goes stale without any event: a pod that is stuck in its deletion takes nothing any more. */
const recountMs = 300_000;

/** Counts what quotas count. */
export const resourceQuotaController: ControllerDefinition = {
  spec: {
    name: 'resourcequota-controller',
    inputs: [resourceQuotas, pods],
    outputs: [resourceQuotas],
    rbac: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['list', 'watch'] },
      { apiGroups: [''], resources: ['resourcequotas/status'], verbs: ['update'] },
    ],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(resourceQuotas);
    const queue = queueFor(ctx, env, 'resourcequota_primary');
    const counted = new CountedKinds(ctx, env, (kind, namespace) => {
      for (const quota of cache.byIndex('byNamespace', namespace))
        if (kindsOf(quota).includes(kind)) queue.add(keyOf(quota));
    });
    cache.onEvent({
      onAdd: (quota) => queue.add(keyOf(quota)),
      // Not for every charge: each would be counted anew, from caches that do not have its object yet.
      onUpdate: (before, after) => {
        if (!equalResources(readResources(before.spec?.hard), readResources(after.spec?.hard))) queue.add(keyOf(after));
      },
    });
    await runController(ctx, {
      name: 'resourcequota-controller',
      queue,
      metrics: env.metrics,
      workers: 5,
      informers: [cache],
      reconcile: async (inner, key) => {
        const first = cache.get(key);
        if (first === undefined) return undefined;
        await counted.follow(inner, kindsOf(first));
        const quota = cache.get(key);
        if (quota === undefined) return undefined;
        const status = countedQuota(quota, counted, inner.clock.now());
        if (status !== undefined)
          await env.client.update(inner, resourceQuotas, { ...quota, status }, { subresource: 'status' });
        return { requeueAfterMs: recountMs };
      },
    });
  },
};
