/** The result of a rehearsal: data, printed as text, JSON or YAML, and kept for the comparison with the real run. */
import type { ParameterValues } from '@polyanthus/engine-runbook/parameters';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { Finding, Unknown } from './finding.ts';
import type { Basis } from './times.ts';

/** One step of the plan as it will go. Times are milliseconds since the beginning of the run. */
export interface PredictedStep {
  readonly order: number;
  readonly stage: string;
  readonly step: string;
  /** Name of the target. */
  readonly target?: string;
  readonly startMs: number;
  readonly endMs: number;
  /** `fails`: the run stops there. What follows is predicted as if that had been mended. */
  readonly outcome: 'proven' | 'fails';
  /** Pods that a drain evicts. */
  readonly evictions?: number;
  readonly basis: Basis;
}

/** `sound`: nothing speaks against it. `unknown`: nothing but what could not be found out. */
export type RehearsalVerdict = 'sound' | 'unknown' | 'problems';

/** See the file's header. */
export interface Prediction {
  readonly formatVersion: 1;
  readonly runbook: string;
  readonly digest: string;
  readonly parameters: ParameterValues;
  readonly targets: readonly RunTarget[];
  readonly snapshot: {
    readonly takenAt: string;
    readonly source: string;
    readonly gitVersion: string;
    /** SHA-256 (hex) of its objects; absent where nobody computed it. */
    readonly hash?: string;
  };
  /** RFC 3339. */
  readonly madeAt: string;
  readonly verdict: RehearsalVerdict;
  readonly findings: readonly Finding[];
  readonly unknowns: readonly Unknown[];
  readonly steps: readonly PredictedStep[];
  readonly evictions: number;
  /** Length of the whole run, if everything that fails is mended at once, and without what is uncounted. */
  readonly endMs: number;
  /** Steps that wait for people of whom no earlier run tells how long they take: unknown, and not part of any time here. */
  readonly uncounted: readonly string[];
  /** What was taken for granted. */
  readonly assumptions: readonly string[];
}

/** Problems are errors and warnings; infos are as it should be. */
export function verdictOf(findings: readonly Finding[], unknowns: readonly Unknown[]): RehearsalVerdict {
  if (findings.some((one) => one.severity !== 'info')) return 'problems';
  return unknowns.length > 0 ? 'unknown' : 'sound';
}
