/** Whether a Job has come to its end, and why. */
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { parseIndexes } from './indexes.ts';
import { isFailed, isIndexed, judgeFailure, restartsOf, trueCondition } from './job-state.ts';
import type { Round } from './round.ts';

/** The end of a Job, announced before its last pods are gone: `FailureTarget` or `SuccessCriteriaMet`. */
export interface Verdict {
  readonly type: 'FailureTarget' | 'SuccessCriteriaMet';
  readonly reason: string;
  readonly message: string;
}

const failure = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });

/** The verdict that stands, or one that the round comes to; undefined while the Job goes on. */
export function verdictOf(round: Round): Verdict | undefined {
  return (
    standing(round, 'SuccessCriteriaMet') ??
    standing(round, 'FailureTarget') ??
    failedByPolicy(round) ??
    failedByLimit(round) ??
    pastDeadline(round) ??
    failedPlaces(round) ??
    metSuccessPolicy(round) ??
    completed(round)
  );
}

function standing({ job }: Round, type: Verdict['type']): Verdict | undefined {
  const condition = trueCondition(job, type);
  return condition === undefined
    ? undefined
    : { type, reason: condition.reason ?? '', message: condition.message ?? '' };
}

function failedByPolicy({ job, pods }: Round): Verdict | undefined {
  if (job.spec.podFailurePolicy === undefined) return undefined;
  for (const pod of pods) {
    const why = isFailed(job, pod) ? judgeFailure(job, pod).failJob : undefined;
    if (why !== undefined) return failure('PodFailurePolicy', why);
  }
  return undefined;
}

function failedByLimit({ job, pods, failed }: Round): Verdict | undefined {
  const limit = job.spec.backoffLimit ?? 6;
  const inPlace = job.spec.template.spec.restartPolicy === 'OnFailure';
  const restarts = inPlace ? restartsOf(pods) : 0;
  const past = failed > limit || (restarts > 0 && restarts >= limit);
  return past ? failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit') : undefined;
}

function pastDeadline({ job, nowMs, checksMs }: Round): Verdict | undefined {
  const startMs = parseKubeTime(job.status?.startTime);
  const seconds = job.spec.activeDeadlineSeconds;
  if (seconds === undefined || job.spec.suspend === true) return undefined;
  const leftMs = (startMs ?? nowMs) + seconds * 1000 - nowMs;
  if (leftMs <= 0) return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  checksMs.push(leftMs);
  return undefined;
}

function failedPlaces({ job, places, indexes }: Round): Verdict | undefined {
  const count = places?.failed.size ?? 0;
  if (count > (job.spec.maxFailedIndexes ?? Infinity))
    return failure('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  return count > 0 && count + indexes.size >= (job.spec.completions ?? 0)
    ? failure('FailedIndexes', 'Job has failed indexes')
    : undefined;
}

/** The first rule whose places, or whose number of them, have succeeded: the others need not. */
function metSuccessPolicy({ job, indexes }: Round): Verdict | undefined {
  if (!isIndexed(job) || indexes.size === 0) return undefined;
  const met = (job.spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount = Infinity }) => {
    if (succeededIndexes === undefined) return indexes.size >= succeededCount;
    const wanted = parseIndexes(succeededIndexes, job.spec.completions ?? 0);
    const there = [...wanted].filter((index) => indexes.has(index)).length;
    return wanted.size > 0 && (there === wanted.size || there >= succeededCount);
  });
  if (met === -1) return undefined;
  return { type: 'SuccessCriteriaMet', reason: 'SuccessPolicy', message: `Matched rules at index ${met}` };
}

/** Enough successes and nothing that runs; without completions one success, and the others may finish. */
function completed({ job, succeeded, active, settled }: Round): Verdict | undefined {
  const { completions } = job.spec;
  const enough = completions === undefined ? succeeded > 0 : succeeded >= completions;
  if (!enough || active.length > 0 || !settled) return undefined;
  return {
    type: 'SuccessCriteriaMet',
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  };
}
