/** Wiring of the Job controller, and of the one that deletes finished Jobs. */
import { hasCode } from '@polyanthus/ground-base/errors';
import { events, pods } from '@polyanthus/kube-kinds/core';
import { jobs, type Job } from '@polyanthus/kube-kinds/workloads';
import { runController } from '@polyanthus/kube-runtime/controller';
import { Expectations } from '@polyanthus/kube-runtime/expectations';
import { keyOf, splitKey } from '@polyanthus/kube-runtime/keys';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { controllerOf } from '../ownership.ts';
import { adoptersOf, concernedBy, expectPods } from '../pod-writes.ts';
import { finishedCondition, isTracked } from './job-state.ts';
import { reconcileJob, releaseAll } from './reconcile.ts';
import type { JobScope } from './round.ts';

const name = 'job-controller';
const ttlName = 'ttl-after-finished-controller';

/** Runs pods until enough of them have succeeded. */
export const jobController: ControllerDefinition = {
  spec: {
    name,
    inputs: [jobs, pods],
    outputs: [pods, jobs, events],
    rbac: [
      { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'patch', 'update', 'watch'] },
      { apiGroups: ['batch'], resources: ['jobs/status', 'jobs/finalizers'], verbs: ['update', 'patch'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete', 'list', 'patch', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const jobCache = env.informers.of(jobs);
    const podCache = env.informers.of(pods);
    const queue = queueFor(ctx, env, name);
    const orphans = queueFor(ctx, env, `${name}-orphans`);
    const expectations = new Expectations(ctx.clock);
    const recorder = recorderFor(ctx, env, name);
    const ownersOf = controllingOwner(jobs);
    const writer = { client: env.client, expectations, recorder };
    const scope: JobScope = { writer, jobCache, podCache, backoffs: new Map() };
    watchInto(jobCache, queue);
    jobCache.onEvent({ onDelete: (job) => void scope.backoffs.delete(job.metadata.uid ?? '') });
    expectPods(podCache, expectations, ownersOf);
    const adopters = adoptersOf(jobCache);
    watchInto(podCache, queue, concernedBy(ownersOf, adopters));
    // Pods that a Job was made to leave behind keep its finalizer else.
    watchInto(podCache, orphans, (pod) =>
      controllerOf(pod) === undefined && isTracked(pod) && adopters(pod).length === 0 ? [keyOf(pod)] : [],
    );
    const informers = [jobCache, podCache];
    await Promise.all([
      runWithEvents(ctx, env, recorder, {
        name,
        queue,
        workers: 5,
        informers,
        reconcile: (inner, key) => reconcileJob(inner, scope, key),
      }),
      runController(ctx, {
        name: `${name}-orphans`,
        queue: orphans,
        metrics: env.metrics,
        informers,
        reconcile: async (inner, key) => {
          const pod = podCache.get(key);
          if (pod !== undefined && controllerOf(pod) === undefined) await releaseAll(inner, env.client, [pod]);
        },
      }),
    ]);
  },
};

/** Deletes Jobs that have been finished for ttlSecondsAfterFinished. */
export const ttlAfterFinishedController: ControllerDefinition = {
  spec: {
    name: ttlName,
    inputs: [jobs],
    outputs: [jobs],
    rbac: [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['delete', 'get', 'list', 'watch'] }],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(jobs);
    const queue = queueFor(ctx, env, ttlName);
    watchInto(cache, queue, (job) => (expiryMs(job) === undefined ? [] : [keyOf(job)]));
    await runController(ctx, {
      name: ttlName,
      queue,
      metrics: env.metrics,
      informers: [cache],
      reconcile: async (inner, key) => {
        const cached = cache.get(key);
        const leftMs = cached === undefined ? undefined : expiryMs(cached);
        if (leftMs === undefined) return undefined;
        if (leftMs > inner.clock.now()) return { requeueAfterMs: leftMs - inner.clock.now() };
        try {
          const live = await env.client.get(inner, jobs, splitKey(key));
          if ((expiryMs(live) ?? Infinity) > inner.clock.now()) return undefined;
          const { uid = '', resourceVersion = '' } = live.metadata;
          await env.client.delete(inner, jobs, splitKey(key), {
            propagationPolicy: 'Foreground',
            preconditions: { uid, resourceVersion },
          });
        } catch (error) {
          if (!hasCode(error, 'NotFound')) throw error;
        }
        return undefined;
      },
    });
  },
};

/** When the Job may go, in milliseconds of wall time; undefined while it may not. */
function expiryMs(job: Job): number | undefined {
  const finishedMs = parseKubeTime(finishedCondition(job)?.lastTransitionTime);
  const seconds = job.spec.ttlSecondsAfterFinished;
  if (finishedMs === undefined || seconds === undefined || job.metadata.deletionTimestamp !== undefined)
    return undefined;
  return finishedMs + seconds * 1000;
}
