/** Wiring of the CronJob controller. */
import { events } from '@polyanthus/kube-kinds/core';
import { cronJobs, jobs } from '@polyanthus/kube-kinds/workloads';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { reconcileCronJob, type CronJobScope } from './reconcile.ts';

const name = 'cronjob-controller';

/** Starts Jobs by schedules. */
export const cronJobController: ControllerDefinition = {
  spec: {
    name,
    inputs: [cronJobs, jobs],
    outputs: [cronJobs, jobs, events],
    rbac: [
      { apiGroups: ['batch'], resources: ['cronjobs'], verbs: ['get', 'list', 'update', 'watch', 'patch'] },
      { apiGroups: ['batch'], resources: ['cronjobs/status', 'cronjobs/finalizers'], verbs: ['update', 'patch'] },
      { apiGroups: ['batch'], resources: ['jobs'], verbs: ['create', 'delete', 'get', 'list', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const cronJobCache = env.informers.of(cronJobs);
    const jobCache = env.informers.of(jobs);
    const queue = queueFor(ctx, env, name);
    const recorder = recorderFor(ctx, env, name);
    const scope: CronJobScope = { client: env.client, recorder, cronJobCache, jobCache };
    watchInto(cronJobCache, queue);
    watchInto(jobCache, queue, controllingOwner(cronJobs));
    await runWithEvents(ctx, env, recorder, {
      name,
      queue,
      workers: 5,
      informers: [cronJobCache, jobCache],
      reconcile: (inner, key) => reconcileCronJob(inner, scope, key),
    });
  },
};
