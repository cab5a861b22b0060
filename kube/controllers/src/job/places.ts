/** Places of an Indexed Job that fail by themselves (backoffLimitPerIndex; indexed_job_utils.go, backoff_utils.go). */
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { Job } from '@polyanthus/kube-kinds/workloads';
import { backoffMs } from './backoff.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import {
  endOf,
  failuresKey,
  ignoredFailuresKey,
  indexOf,
  isFailed,
  isIndexed,
  isTracked,
  judgeFailure,
} from './job-state.ts';

/** What is known of the places. */
export interface Places {
  /** Those that have failed for good. */
  readonly failed: ReadonlySet<number>;
  /**
   * The last failed pod of each place that is to be tried again. It keeps its finalizer until its successor is there, which takes
   * over the number of failures.
   */
  readonly replaced: ReadonlyMap<number, Pod>;
}

/** Undefined for a Job whose places do not fail by themselves. */
export function placesOf(
  job: Job,
  pods: readonly Pod[],
  active: readonly Pod[],
  succeeded: ReadonlySet<number>,
): Places | undefined {
  const limit = job.spec.backoffLimitPerIndex;
  if (limit === undefined || !isIndexed(job)) return undefined;
  const failed = new Set(parseIndexes(job.status?.failedIndexes, job.spec.completions ?? 0));
  const ended = pods.filter((pod) => isFailed(job, pod) && isTracked(pod));
  for (const pod of ended) {
    const index = indexOf(job, pod);
    const { counts, failIndex } = judgeFailure(job, pod);
    if (index !== undefined && (failIndex === true || (counts && failuresOf(pod).counted >= limit))) failed.add(index);
  }
  const running = new Set(active.map((pod) => indexOf(job, pod)));
  const replaced = new Map<number, Pod>();
  for (const pod of ended) {
    const index = indexOf(job, pod);
    if (index === undefined || succeeded.has(index) || failed.has(index) || running.has(index)) continue;
    const before = replaced.get(index);
    if (before === undefined || isLater(pod, before)) replaced.set(index, pod);
  }
  return { failed, replaced };
}

function isLater(pod: Pod, before: Pod): boolean {
  return allFailures(before) <= allFailures(pod) && endOf(pod) >= endOf(before);
}

/** As the annotations of a pod say; what is no number counts as none. */
function failuresOf({ metadata }: Pod): { readonly counted: number; readonly ignored: number } {
  const read = (key: string): number => {
    const text = metadata.annotations?.[key] ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : 0;
  };
  return { counted: read(failuresKey), ignored: read(ignoredFailuresKey) };
}

const allFailures = (pod: Pod): number => failuresOf(pod).counted + failuresOf(pod).ignored;

/** Annotations of a pod that is to take a place. */
export function failureAnnotations(job: Job, { replaced }: Places, index: number): Readonly<Record<string, string>> {
  const before = replaced.get(index);
  if (before === undefined) return { [failuresKey]: '0' };
  const { counted, ignored } = failuresOf(before);
  const { counts } = judgeFailure(job, before);
  const without = ignored + (counts ? 0 : 1);
  return {
    [failuresKey]: String(counted + (counts ? 1 : 0)),
    ...(without === 0 ? {} : { [ignoredFailuresKey]: String(without) }),
  };
}

/** How long a place still waits for its next pod; 0 for not at all. */
export function placeBackoffMs({ replaced }: Places, index: number, nowMs: number): number {
  const before = replaced.get(index);
  return before === undefined ? 0 : backoffMs({ failures: allFailures(before) + 1, lastMs: endOf(before) }, nowMs);
}

/** Whether the pod is kept until its successor is there. */
export function isReplaced(job: Job, places: Places | undefined, pod: Pod): boolean {
  const index = places === undefined ? undefined : indexOf(job, pod);
  return index !== undefined && places?.replaced.get(index) === pod;
}

/** For the status. */
export const failedText = ({ failed }: Places): string => formatIndexes(failed);
