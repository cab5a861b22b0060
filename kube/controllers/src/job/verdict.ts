/** Whether a Job has come to its end, and why. */
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { isFailed, judgeFailure, restartsOf, trueCondition } from './job-state.ts';
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
