/** The status of a Job, and the pods whose end it has counted. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import type { Job } from '@polyanthus/kube-kinds/workloads';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { withoutZeros } from '../zeros.ts';
import { formatIndexes } from './indexes.ts';
import { isFailed, isIndexed, isTracked, judgeFailure, trueCondition, type JobCondition } from './job-state.ts';
import { failedText, isReplaced } from './places.ts';
import type { Round } from './round.ts';
import type { Verdict } from './verdict.ts';

type Status = NonNullable<Job['status']>;
/** Uids in a status at most: about 20 KB. */
const uncountedMax = 500;

/** A status to write, and what follows once it is stored. */
export interface JobView {
  readonly status: Status;
  /** Pods whose finalizer is to go: their end is in the status. */
  readonly release: readonly Pod[];
  /** The condition that ends the Job, when this status has it. */
  readonly finished: JobCondition | undefined;
}

/** Counts what has ended; once a verdict stands and nothing is left the Job is finished. */
export function jobView(round: Round, verdict: Verdict | undefined): JobView {
  const { job, pods, nowMs } = round;
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid ?? ''));
  const gone = (uids: readonly string[]): number => uids.filter((uid) => !tracked.has(uid)).length;
  const { release, succeeded, failed } = count(round, verdict, tracked);
  const pending = succeeded.length + failed.length + release.length;
  const terminating = round.terminating + round.done.removed;
  const active = Math.max(0, round.active.length + round.done.created - round.done.removed);
  const over = verdict !== undefined && announced(job, verdict) && round.settled;
  const finished = over && pending + terminating + active === 0 ? ending(verdict, nowMs) : undefined;
  const counted = isIndexed(job) ? round.indexes.size : (job.status?.succeeded ?? 0) + gone(round.uncounted.succeeded);
  const { completedIndexes: _old, completionTime: _none, ...before } = job.status ?? {};
  const conditions = conditionsOf(round, verdict, finished);
  const status: Status = {
    ...without(before, ['active', 'succeeded', 'failed', 'conditions', 'startTime']),
    ...(conditions.length === 0 ? {} : { conditions }),
    ...startTime(round),
    ...(finished?.type === 'Complete' ? { completionTime: kubeTime(nowMs) } : {}),
    ...withoutZeros({
      active,
      succeeded: counted,
      failed: (job.status?.failed ?? 0) + gone(round.uncounted.failed),
    }),
    ready: Math.max(0, round.active.filter(isReady).length - round.done.removedReady),
    terminating,
    ...(round.indexes.size === 0 ? {} : { completedIndexes: formatIndexes(round.indexes) }),
    ...(round.places === undefined ? {} : { failedIndexes: failedText(round.places) }),
    uncountedTerminatedPods: {
      ...(succeeded.length === 0 ? {} : { succeeded }),
      ...(failed.length === 0 ? {} : { failed }),
    },
  };
  return { status, release, finished };
}

function without(status: Status, keys: readonly (keyof Status)[]): Status {
  return Object.fromEntries(Object.entries(status).filter(([key]) => !keys.includes(key as keyof Status)));
}

/** Lists of uids for the status: those that still wait for their finalizer to go, and those that ended just now. */
function count(
  { job, pods, uncounted, places }: Round,
  verdict: Verdict | undefined,
  tracked: ReadonlySet<string>,
): { readonly release: readonly Pod[]; readonly succeeded: readonly string[]; readonly failed: readonly string[] } {
  const succeeded = uncounted.succeeded.filter((uid) => tracked.has(uid));
  const failed = uncounted.failed.filter((uid) => tracked.has(uid));
  const ending = verdict !== undefined || job.metadata.deletionTimestamp !== undefined;
  const release: Pod[] = [];
  for (const pod of pods) {
    const uid = pod.metadata.uid ?? '';
    const won = pod.status?.phase === 'Succeeded';
    // When the Job fails, whatever still runs has failed.
    const lost = !won && (isFailed(job, pod) || (verdict?.type === 'FailureTarget' && ending));
    if (!isTracked(pod) || !(won || lost || ending)) continue;
    if (!ending && isReplaced(job, places, pod)) continue;
    if (succeeded.length + failed.length >= uncountedMax) break;
    release.push(pod);
    // Places say for themselves which of them succeeded.
    if (succeeded.includes(uid) || failed.includes(uid)) continue;
    if (won && !isIndexed(job)) succeeded.push(uid);
    if (lost && judgeFailure(job, pod).counts) failed.push(uid);
  }
  return { release, succeeded, failed };
}

const announced = (job: Job, { type }: Verdict): boolean => trueCondition(job, type) !== undefined;

function ending({ type, reason, message }: Verdict, nowMs: number): JobCondition {
  return condition(type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed', 'True', reason, message, nowMs);
}

function condition(
  type: string,
  status: 'True' | 'False',
  reason: string,
  message: string,
  nowMs: number,
): JobCondition {
  const now = kubeTime(nowMs);
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

function conditionsOf(
  { job, nowMs }: Round,
  verdict: Verdict | undefined,
  finished: JobCondition | undefined,
): readonly JobCondition[] {
  const before = job.status?.conditions ?? [];
  if (verdict !== undefined) {
    const said = announced(job, verdict)
      ? before
      : [...before, condition(verdict.type, 'True', verdict.reason, verdict.message, nowMs)];
    return finished === undefined ? said : [...said, finished];
  }
  const change = suspensionChange(job);
  if (change === undefined) return before;
  const wanted =
    change === 'Suspended'
      ? condition('Suspended', 'True', 'JobSuspended', 'Job suspended', nowMs)
      : condition('Suspended', 'False', 'JobResumed', 'Job resumed', nowMs);
  return [...before.filter(({ type }) => type !== 'Suspended'), wanted];
}

/** Whether the Job was suspended or resumed since its status was written. */
export function suspensionChange(job: Job): 'Suspended' | 'Resumed' | undefined {
  const suspended = trueCondition(job, 'Suspended') !== undefined;
  if ((job.spec.suspend === true) === suspended) return undefined;
  return suspended ? 'Resumed' : 'Suspended';
}

/** Time runs from the first start and anew from every resumption. */
function startTime({ job, nowMs }: Round): Pick<Status, 'startTime'> {
  const known = job.status?.startTime;
  if (suspensionChange(job) === 'Resumed') return { startTime: kubeTime(nowMs) };
  if (known !== undefined) return { startTime: known };
  return job.spec.suspend === true ? {} : { startTime: kubeTime(nowMs) };
}
