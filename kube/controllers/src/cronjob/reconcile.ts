/** One round for one CronJob (kube-controller-manager's cronjob_controllerv2.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { cronJobs, jobs, type CronJob, type Job } from '@polyanthus/kube-kinds/workloads';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { kubeTime, parseKubeTime } from '@polyanthus/kube-runtime/times';
import { finishedCondition } from '../job/job-state.ts';
import { controllerOf, controllerReference } from '../ownership.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

/** What a round reads from and speaks through. */
export interface CronJobScope {
  readonly client: KubeClient;
  readonly recorder: EventRecorder;
  readonly cronJobCache: Informer<CronJob>;
  readonly jobCache: Informer<Job>;
}

const scheduledKey = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** So many missed times are worth a warning: most likely a clock was wrong. */
const missedMax = 100;

/** Starts what is due, keeps the list of what runs, forgets old Jobs. */
export async function reconcileCronJob(
  ctx: Context,
  scope: CronJobScope,
  key: string,
): Promise<ReconcileResult | void> {
  const cached = scope.cronJobCache.get(key);
  if (cached === undefined) return undefined;
  const mine = scope.jobCache
    .byIndex('byNamespace', cached.metadata.namespace ?? '')
    .filter((job) => controllerOf(job)?.uid === cached.metadata.uid);
  const cronJob = await keepStatus(ctx, scope, cached, mine);
  await forgetOld(ctx, scope, cronJob, mine);
  if (cronJob.metadata.deletionTimestamp !== undefined || cronJob.spec.suspend === true) return undefined;
  const schedule = parseSchedule(cronJob.spec.schedule, cronJob.spec.timeZone);
  if (schedule === undefined) {
    const what = `${cronJob.spec.schedule} (${cronJob.spec.timeZone ?? 'UTC'})`;
    scope.recorder.record(cronJob, 'Warning', 'InvalidSchedule', `invalid schedule: ${what}`);
    return undefined;
  }
  const nowMs = ctx.clock.now();
  const dueMs = lastDue(scope, cronJob, schedule, nowMs);
  if (dueMs !== undefined) await startDue(ctx, scope, cronJob, dueMs, nowMs);
  const nextMs = schedule.next(ctx.clock.now());
  return nextMs === undefined ? undefined : { requeueAfterMs: Math.max(1, nextMs - ctx.clock.now()) };
}

/** What runs, and when one last succeeded. */
async function keepStatus(
  ctx: Context,
  { client, recorder }: CronJobScope,
  cronJob: CronJob,
  mine: readonly Job[],
): Promise<CronJob> {
  const { active = [], ...rest } = cronJob.status ?? {};
  const running: (typeof active)[number][] = [];
  for (const entry of active) {
    const { uid, name = '' } = entry;
    const job = mine.find(({ metadata }) => metadata.uid === uid) ?? (await liveJob(ctx, client, cronJob, name, uid));
    const end = job === undefined ? undefined : finishedCondition(job);
    if (job === undefined) recorder.record(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${name}`);
    else if (end === undefined) running.push(entry);
    else recorder.record(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${end.type}`);
  }
  const known = parseKubeTime(rest.lastSuccessfulTime) ?? 0;
  const successMs = Math.max(known, ...mine.map((job) => parseKubeTime(job.status?.completionTime) ?? 0));
  const status = {
    ...rest,
    ...(running.length === 0 ? {} : { active: running }),
    ...(successMs === 0 ? {} : { lastSuccessfulTime: kubeTime(successMs) }),
  };
  return commit(ctx, client, cronJobs, { before: cronJob, after: { ...cronJob, status } });
}

/** The cache may be behind a Job that was made a moment ago. */
async function liveJob(
  ctx: Context,
  client: KubeClient,
  { metadata: { namespace } }: CronJob,
  name: string,
  uid: string | undefined,
): Promise<Job | undefined> {
  try {
    const job = await client.get(ctx, jobs, { namespace, name });
    return job.metadata.uid === uid ? job : undefined;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** The last time that is due and was not started; undefined when there is none, or it is too late for it. */
function lastDue({ recorder }: CronJobScope, cronJob: CronJob, schedule: Schedule, nowMs: number): number | undefined {
  const { startingDeadlineSeconds } = cronJob.spec;
  const sinceMs =
    parseKubeTime(cronJob.status?.lastScheduleTime) ?? parseKubeTime(cronJob.metadata.creationTimestamp) ?? nowMs;
  const deadlineMs = startingDeadlineSeconds === undefined ? Infinity : startingDeadlineSeconds * 1000;
  const fromMs = Math.max(sinceMs, nowMs - deadlineMs);
  let [missed, due] = [0, undefined as number | undefined];
  for (let at = schedule.next(fromMs); at !== undefined && at <= nowMs; at = schedule.next(at)) {
    due = at;
    missed += 1;
    if (missed > missedMax) break;
  }
  if (missed <= missedMax) return due;
  const words = `too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew`;
  recorder.record(cronJob, 'Warning', 'TooManyMissedTimes', words);
  return latestBefore(schedule, fromMs, nowMs);
}

/** Looks back further and further, so that years of missed minutes cost little. */
function latestBefore(schedule: Schedule, fromMs: number, nowMs: number): number | undefined {
  for (const backMs of [3_600_000, 86_400_000, 31 * 86_400_000, Infinity]) {
    const startMs = Math.max(fromMs, nowMs - backMs);
    let last: number | undefined;
    for (let at = schedule.next(startMs); at !== undefined && at <= nowMs; at = schedule.next(at)) last = at;
    if (last !== undefined || startMs === fromMs) return last;
  }
  return undefined;
}

async function startDue(
  ctx: Context,
  scope: CronJobScope,
  cronJob: CronJob,
  dueMs: number,
  nowMs: number,
): Promise<void> {
  const { client, recorder } = scope;
  const { namespace, name = '' } = cronJob.metadata;
  const active = cronJob.status?.active ?? [];
  if (cronJob.spec.concurrencyPolicy === 'Forbid' && active.length > 0) {
    const words = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    recorder.record(cronJob, 'Normal', 'JobAlreadyActive', words);
    return;
  }
  const replaced = cronJob.spec.concurrencyPolicy === 'Replace' ? active : [];
  for (const { name: old = '' } of replaced) {
    await unlessGone(client.delete(ctx, jobs, { namespace, name: old }, { propagationPolicy: 'Background' }));
    recorder.record(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${old}`);
  }
  const draft = jobOf(cronJob, `${name}-${Math.floor(dueMs / 60_000)}`, dueMs);
  const job = await createOnce(ctx, scope, cronJob, draft);
  if (job === undefined) return;
  recorder.record(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name ?? ''}`);
  const { uid, resourceVersion, name: made } = job.metadata;
  const entry = { apiVersion: 'batch/v1', kind: 'Job', namespace, name: made, uid, resourceVersion };
  const status = {
    ...cronJob.status,
    active: [...active.filter((one) => !replaced.includes(one)), entry],
    lastScheduleTime: kubeTime(Math.min(dueMs, nowMs)),
  };
  await commit(ctx, client, cronJobs, { before: cronJob, after: { ...cronJob, status } as CronJob });
}

/** One that is there already was made by a round whose status was lost. */
async function createOnce(
  ctx: Context,
  { client }: CronJobScope,
  cronJob: CronJob,
  draft: Job,
): Promise<Job | undefined> {
  try {
    return await client.create(ctx, jobs, draft);
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error;
    const { namespace, name = '' } = draft.metadata;
    const there = await client.get(ctx, jobs, { namespace, name });
    return controllerOf(there)?.uid === cronJob.metadata.uid ? there : undefined;
  }
}

function jobOf(cronJob: CronJob, name: string, dueMs: number): Job {
  const { metadata = {}, spec } = cronJob.spec.jobTemplate;
  const { labels = {}, annotations = {} } = metadata;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: cronJob.metadata.namespace ?? '',
      name,
      labels,
      annotations: { ...annotations, [scheduledKey]: kubeTime(dueMs) },
      ownerReferences: [controllerReference(cronJobs, cronJob)],
    },
    spec,
  };
}

/** Keeps as many finished Jobs of each outcome as the history says, the youngest. */
async function forgetOld(
  ctx: Context,
  { client, recorder }: CronJobScope,
  cronJob: CronJob,
  mine: readonly Job[],
): Promise<void> {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec;
  for (const [type, limit] of [
    ['Complete', successfulJobsHistoryLimit],
    ['Failed', failedJobsHistoryLimit],
  ] as const) {
    const ended = mine
      .filter((job) => finishedCondition(job)?.type === type && job.metadata.deletionTimestamp === undefined)
      .toSorted((a, b) => startMs(a) - startMs(b));
    for (const { metadata } of ended.slice(0, Math.max(0, ended.length - limit))) {
      const { namespace, name = '' } = metadata;
      await unlessGone(client.delete(ctx, jobs, { namespace, name }, { propagationPolicy: 'Background' }));
      recorder.record(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    }
  }
}

const startMs = ({ metadata, status }: Job): number =>
  parseKubeTime(status?.startTime) ?? parseKubeTime(metadata.creationTimestamp) ?? 0;
