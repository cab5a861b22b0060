/** Which pods of a Job to create and which to delete (job_controller.go, manageJob). */
import type { Container, Pod } from '@polyanthus/kube-kinds/core';
import { jobs } from '@polyanthus/kube-kinds/workloads';
import { podFromTemplate } from '../pod-writes.ts';
import { byDeletionPreference } from '../pods.ts';
import { backoffMs } from './backoff.ts';
import {
  hasEnded,
  indexKey,
  indexOf,
  isIndexed,
  isTerminating,
  replacesFailedOnly,
  trackingFinalizer,
} from './job-state.ts';
import { failureAnnotations, placeBackoffMs } from './places.ts';
import type { Round } from './round.ts';

const indexVariable = 'JOB_COMPLETION_INDEX';
/** Generated names are cut so that the suffix fits a DNS label. */
const generateNameMax = 58;

/** Pods to create and to delete; never both in one round. */
export interface Changes {
  readonly create: readonly Pod[];
  readonly remove: readonly Pod[];
}
const nothing: Changes = { create: [], remove: [] };

/** What the Job asks for while it has not come to its end. */
export function wantedChanges(round: Round): Changes {
  const { job, active, terminating, settled } = round;
  if (!settled || job.metadata.deletionTimestamp !== undefined) return nothing;
  if (job.spec.suspend === true) return { create: [], remove: active };
  const wanted = wantedActive(round);
  const remove = surplus(round, active.length - wanted);
  if (remove.length > 0) return { create: [], remove };
  const missing = wanted - active.length - (replacesFailedOnly(job) ? terminating : 0);
  if (missing <= 0) return nothing;
  const waitMs = round.places === undefined ? backoffMs(round.backoff, round.nowMs) : 0;
  if (waitMs > 0) {
    round.checksMs.push(waitMs);
    return nothing;
  }
  const free = isIndexed(job) ? pendingIndexes(round, missing) : Array.from({ length: missing }, () => undefined);
  return { create: free.filter((index) => isDue(round, index)).map((index) => podDraft(round, index)), remove: [] };
}

/** Each place that fails by itself waits by itself. */
function isDue({ places, nowMs, checksMs }: Round, index: number | undefined): boolean {
  const waitMs = places === undefined || index === undefined ? 0 : placeBackoffMs(places, index, nowMs);
  if (waitMs > 0) checksMs.push(waitMs);
  return waitMs === 0;
}

function wantedActive({ job, succeeded, active }: Round): number {
  const { completions, parallelism = 1 } = job.spec;
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  return Math.max(0, Math.min(parallelism, completions - succeeded));
}

/** Pods without a place or with one that another has go first. */
function surplus({ job, active }: Round, count: number): readonly Pod[] {
  const ordered = byDeletionPreference(active);
  if (!isIndexed(job)) return ordered.slice(0, Math.max(0, count));
  const seen = new Set<number>();
  const misplaced: Pod[] = [];
  for (const pod of ordered.toReversed()) {
    const index = indexOf(job, pod);
    if (index === undefined || seen.has(index)) misplaced.push(pod);
    else seen.add(index);
  }
  const others = ordered.filter((pod) => !misplaced.includes(pod));
  return [...misplaced, ...others.slice(0, Math.max(0, count - misplaced.length))];
}

function pendingIndexes({ job, indexes, active, pods, places }: Round, count: number): readonly number[] {
  const going = replacesFailedOnly(job) ? pods.filter((pod) => isTerminating(pod) && !hasEnded(pod)) : [];
  const taken = new Set([...active, ...going].flatMap((pod) => indexOf(job, pod) ?? []));
  const pending: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && pending.length < count; index++)
    if (!indexes.has(index) && !taken.has(index) && places?.failed.has(index) !== true) pending.push(index);
  return pending;
}

function podDraft({ job, places }: Round, index: number | undefined): Pod {
  const pod = podFromTemplate(jobs, job, job.spec.template);
  const finalizers = [...new Set([...(pod.metadata.finalizers ?? []), trackingFinalizer])];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const place = { [indexKey]: String(index) };
  const { name = '' } = job.metadata;
  const suffix = `-${index}-`;
  const { containers, initContainers, ...rest } = pod.spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: `${name.slice(0, generateNameMax - suffix.length)}${suffix}`,
      labels: { ...pod.metadata.labels, ...place },
      annotations: {
        ...pod.metadata.annotations,
        ...place,
        ...(places === undefined ? {} : failureAnnotations(job, places, index)),
      },
      finalizers,
    },
    spec: {
      ...rest,
      hostname: `${name}-${index}`,
      containers: containers.map(withIndex),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(withIndex) }),
    },
  };
}

function withIndex(container: Container): Container {
  const { env = [] } = container;
  if (env.some(({ name }) => name === indexVariable)) return container;
  const valueFrom = { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } };
  return { ...container, env: [...env, { name: indexVariable, valueFrom }] };
}
