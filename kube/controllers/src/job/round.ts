/** Everything that one round of the Job controller knows. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { Job } from '@polyanthus/kube-kinds/workloads';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import type { PodWriter } from '../pod-writes.ts';
import { isPodActive } from '../pods.ts';
import { afterEnds, noBackoff, type Backoff } from './backoff.ts';
import { parseIndexes } from './indexes.ts';
import { placesOf, type Places } from './places.ts';
import { hasEnded, indexOf, isFailed, isIndexed, isTerminating, isTracked, judgeFailure } from './job-state.ts';

/** What a round reads from, remembers and speaks through. */
export interface JobScope {
  readonly writer: PodWriter;
  readonly jobCache: Informer<Job>;
  readonly podCache: Informer<Pod>;
  /** By the Job's uid. */
  readonly backoffs: Map<string, Backoff>;
}

/** State of one round. */
export interface Round {
  readonly scope: JobScope;
  readonly key: string;
  readonly job: Job;
  readonly nowMs: number;
  /** Whether the caches show all that was written. */
  readonly settled: boolean;
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  /** On their way out, not ended. */
  readonly terminating: number;
  /** Ended, and not counted anywhere yet. */
  readonly ended: { readonly succeeded: readonly Pod[]; readonly failed: readonly Pod[] };
  /** Uids that are counted in the status once their finalizer is off. */
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** Counts with all that has ended by now. */
  readonly succeeded: number;
  readonly failed: number;
  /** Of Indexed Jobs: places that have succeeded. */
  readonly indexes: ReadonlySet<number>;
  /** Of Jobs whose places fail by themselves. */
  readonly places: Places | undefined;
  readonly backoff: Backoff;
  /** What this round did to pods; the caches do not show it. */
  readonly done: { created: number; removed: number; removedReady: number };
  /** When to look again without any event. */
  readonly checksMs: number[];
}

/** Looks at the Job and its pods. */
export function openRound(scope: JobScope, key: string, job: Job, pods: readonly Pod[], nowMs: number): Round {
  const { succeeded: okUids = [], failed: badUids = [] } = job.status?.uncountedTerminatedPods ?? {};
  const counts = (pod: Pod): boolean => !isIndexed(job) || indexOf(job, pod) !== undefined;
  // A pod counts once, as what it was seen first: one that was deleted may still end well.
  const known = new Set([...okUids, ...badUids]);
  const fresh = (pod: Pod): boolean => isTracked(pod) && counts(pod) && !known.has(pod.metadata.uid ?? '');
  const succeeded = pods.filter((pod) => pod.status?.phase === 'Succeeded' && fresh(pod));
  const failed = pods.filter((pod) => isFailed(job, pod) && fresh(pod));
  const counting = failed.filter((pod) => judgeFailure(job, pod).counts);
  const indexes = indexesOf(job, succeeded);
  const active = pods.filter(isPodActive);
  const before = scope.backoffs.get(job.metadata.uid ?? '') ?? noBackoff;
  return {
    scope,
    key,
    job,
    nowMs,
    settled: scope.writer.expectations.satisfied(key),
    pods,
    active,
    terminating: pods.filter((pod) => isTerminating(pod) && !hasEnded(pod)).length,
    ended: { succeeded, failed },
    uncounted: { succeeded: okUids, failed: badUids },
    succeeded: isIndexed(job) ? indexes.size : (job.status?.succeeded ?? 0) + okUids.length + succeeded.length,
    failed: (job.status?.failed ?? 0) + badUids.length + counting.length,
    indexes,
    places: placesOf(job, pods, active, indexes),
    backoff: afterEnds(before, succeeded, counting),
    done: { created: 0, removed: 0, removedReady: 0 },
    checksMs: [],
  };
}

function indexesOf(job: Job, succeeded: readonly Pod[]): ReadonlySet<number> {
  if (!isIndexed(job)) return new Set();
  const known = parseIndexes(job.status?.completedIndexes, job.spec.completions ?? 0);
  return new Set([...known, ...succeeded.flatMap((pod) => indexOf(job, pod) ?? [])]);
}
