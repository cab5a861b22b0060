/** What a Job and its pods say (kube-controller-manager's job_controller.go, pod_failure_policy.go). */
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { Job } from '@polyanthus/kube-kinds/workloads';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';

/** Holds a pod until its end is counted in the Job's status. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
/** The place of a pod of an Indexed Job: annotation and label. */
export const indexKey = 'batch.kubernetes.io/job-completion-index';

/** Of a Job with backoffLimitPerIndex: failures of the place before this pod, those that count and those that do not. */
export const failuresKey = 'batch.kubernetes.io/job-index-failure-count';
export const ignoredFailuresKey = 'batch.kubernetes.io/job-index-ignored-failure-count';

export type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';
/** Whether a pod is replaced only once it has ended, not when it begins to go. */
export const replacesFailedOnly = (job: Job): boolean => job.spec.podReplacementPolicy === 'Failed';
export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) === true;
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
export const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** The condition of this type where it is True. */
export function trueCondition(job: Job, type: string): JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');
}

/** The condition that ended the Job. */
export function finishedCondition(job: Job): JobCondition | undefined {
  return trueCondition(job, 'Complete') ?? trueCondition(job, 'Failed');
}

/** The place of a pod; undefined when it has none among those of the Job. */
export function indexOf(job: Job, pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey];
  const index = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : -1;
  return index >= 0 && index < (job.spec.completions ?? 0) ? index : undefined;
}

/** Whether a pod counts as failed: one that is deleted before its end too, unless only ended ones are replaced. */
export function isFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesFailedOnly(job) && isTerminating(pod) && pod.status?.phase !== 'Succeeded';
}

/** What the podFailurePolicy says of a failed pod: whether it counts, and why the whole Job fails, if it does. */
export interface FailureVerdict {
  readonly counts: boolean;
  /** The place of the pod has failed for good, whatever its limit. */
  readonly failIndex?: boolean;
  readonly failJob?: string;
}

/** The first rule that matches decides; without one the failure counts. */
export function judgeFailure({ spec }: Job, pod: Pod): FailureVerdict {
  for (const [index, { action, onExitCodes, onPodConditions }] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const what = onExitCodes === undefined ? conditionMatch(pod, onPodConditions ?? []) : exitMatch(pod, onExitCodes);
    if (what === undefined) continue;
    if (action === 'Ignore') return { counts: false };
    if (action === 'FailIndex' && spec.backoffLimitPerIndex !== undefined) return { counts: true, failIndex: true };
    if (action !== 'FailJob') return { counts: true };
    return { counts: true, failJob: `${what} matching FailJob rule at index ${index}` };
  }
  return { counts: true };
}

type ExitRule = NonNullable<NonNullable<Job['spec']['podFailurePolicy']>['rules'][number]['onExitCodes']>;

function exitMatch(pod: Pod, { containerName, operator, values }: ExitRule): string | undefined {
  const { namespace = '', name = '' } = pod.metadata;
  for (const status of pod.status?.containerStatuses ?? []) {
    const code = status.state?.terminated?.exitCode ?? 0;
    if (code === 0 || (containerName !== undefined && containerName !== status.name)) continue;
    const matches = operator === 'In' ? values.includes(code) : operator === 'NotIn' && !values.includes(code);
    if (matches) return `Container ${status.name} for pod ${namespace}/${name} failed with exit code ${code}`;
  }
  return undefined;
}

function conditionMatch(
  pod: Pod,
  patterns: readonly { readonly type: string; readonly status?: string }[],
): string | undefined {
  const { namespace = '', name = '' } = pod.metadata;
  const found = (pod.status?.conditions ?? []).find(({ type, status }) =>
    patterns.some((pattern) => pattern.type === type && (pattern.status ?? 'True') === status),
  );
  return found === undefined ? undefined : `Pod ${namespace}/${name} has condition ${found.type}`;
}

/** Restarts of running pods, which count against backoffLimit when containers are restarted in place. */
export function restartsOf(pods: readonly Pod[]): number {
  return pods
    .filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending')
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .reduce((total, { restartCount }) => total + restartCount, 0);
}

/** When a pod ended, in milliseconds of wall time: by its containers, by not being ready, by its deletion, by its creation. */
export function endOf(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) => parseKubeTime(state?.terminated?.finishedAt));
  if (ends.length > 0 && ends.every((end) => end !== undefined)) return Math.max(...(ends as number[]));
  const unready = pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'False');
  const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  const deletedMs = parseKubeTime(pod.metadata.deletionTimestamp);
  return (
    parseKubeTime(unready?.lastTransitionTime) ??
    (deletedMs === undefined ? undefined : deletedMs - graceMs) ??
    parseKubeTime(pod.metadata.creationTimestamp) ??
    0
  );
}
