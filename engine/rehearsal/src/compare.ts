/** Where a real run differed from its rehearsal: times and evictions of each step, and which findings came true. */
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { objectText, type Finding } from './finding.ts';
import type { PredictedStep, Prediction } from './prediction.ts';
import { seconds } from './seconds.ts';

/** One step, both ways; what is not known is absent. */
export interface StepDifference {
  /** `STEP/TARGET`. */
  readonly step: string;
  readonly predictedMs: number;
  readonly realMs?: number;
  readonly predicted: PredictedStep['outcome'];
  readonly real: string;
  readonly predictedEvictions?: number;
  readonly realEvictions?: number;
}

/** What became of a finding. `unseen`: a run leaves no trace that would tell. */
export interface FindingOutcome {
  readonly finding: Finding;
  readonly outcome: 'came true' | 'did not come true' | 'unseen';
}

/** The whole comparison. */
export interface RunComparison {
  readonly rehearsedAt: string;
  readonly predictedEndMs: number;
  readonly realEndMs?: number;
  readonly steps: readonly StepDifference[];
  readonly findings: readonly FindingOutcome[];
  /** Steps that failed although the rehearsal said nothing. */
  readonly surprises: readonly string[];
}

/** Compares; pure. */
export function compareRun(prediction: Prediction, run: Run, steps: readonly RunStep[]): RunComparison {
  const ended = endTimes(steps);
  const byOrder = new Map(steps.map((step) => [step.spec.order, step]));
  const startedMs = parseKubeTime(run.status?.startedAt);
  const endedMs = parseKubeTime(run.status?.endedAt);
  const failed = steps.filter((step) => step.status?.state === 'Failed' || (step.status?.failures ?? 0) > 0);
  const explained = new Set(prediction.findings.flatMap((one) => one.step ?? []));
  for (const one of prediction.steps) if (one.outcome === 'fails') explained.add(keyOf(one.step, one.target));
  return {
    rehearsedAt: prediction.madeAt,
    predictedEndMs: prediction.endMs,
    ...(startedMs === undefined || endedMs === undefined ? {} : { realEndMs: endedMs - startedMs }),
    steps: prediction.steps.map((one) => difference(one, byOrder.get(one.order), ended)),
    findings: prediction.findings.map((finding) => ({ finding, outcome: outcomeOf(finding, failed) })),
    surprises: failed.map(stepName).filter((name) => !explained.has(name)),
  };
}

const keyOf = (step: string, target: string | undefined): string => (target === undefined ? step : `${step}/${target}`);
const stepName = ({ spec }: RunStep): string => keyOf(spec.step, spec.target?.name);

/** By order: how long each proven step took; a check begins when the step before it in its lane has ended. */
function endTimes(steps: readonly RunStep[]): ReadonlyMap<number, number> {
  const took = new Map<number, number>();
  const before = new Map<string, number>();
  for (const { spec, status } of steps.toSorted((a, b) => a.spec.order - b.spec.order)) {
    const provenMs = parseKubeTime(status?.provenAt);
    if (provenMs === undefined) continue;
    const lane = `${spec.stage}/${spec.lane}`;
    const beganMs = parseKubeTime(status?.intentAt) ?? before.get(lane);
    if (beganMs !== undefined && provenMs >= beganMs) took.set(spec.order, provenMs - beganMs);
    before.set(lane, provenMs);
  }
  return took;
}

function difference(
  predicted: PredictedStep,
  real: RunStep | undefined,
  took: ReadonlyMap<number, number>,
): StepDifference {
  const realMs = took.get(predicted.order);
  const evidence = real?.status?.evidence ?? '';
  const evicted = /^(\d{1,6}) pods (?:will be|were) evicted/.exec(evidence)?.[1];
  return {
    step: keyOf(predicted.step, predicted.target),
    predictedMs: predicted.endMs - predicted.startMs,
    ...(realMs === undefined ? {} : { realMs }),
    predicted: predicted.outcome,
    real: real?.status?.state ?? 'Pending',
    ...(predicted.evictions === undefined ? {} : { predictedEvictions: predicted.evictions }),
    ...(evicted === undefined ? {} : { realEvictions: Number(evicted) }),
  };
}

/** A finding that stops the plan shows in the step that it names; what people only feel leaves no trace. */
function outcomeOf(finding: Finding, failed: readonly RunStep[]): FindingOutcome['outcome'] {
  if (finding.step === undefined || finding.severity !== 'error') return 'unseen';
  const names = [finding.object.name, ...(finding.pods ?? [])];
  const shown = failed.some(
    (step) => stepName(step) === finding.step || names.some((name) => step.status?.message?.includes(name) === true),
  );
  return shown ? 'came true' : 'did not come true';
}

/** For the report in Markdown. */
export function comparisonMarkdown(comparison: RunComparison): string {
  const { steps, findings, surprises, realEndMs } = comparison;
  const cell = (value: number | undefined): string => (value === undefined ? '' : seconds(value));
  return [
    `## Beside the rehearsal of ${comparison.rehearsedAt}`,
    `- Whole run: predicted ${seconds(comparison.predictedEndMs)}, took ${realEndMs === undefined ? 'not ended' : seconds(realEndMs)}`,
    ...surprises.map((step) => `- Not predicted: ${step} failed`),
    ...findings.map(({ finding, outcome }) => `- ${finding.code} ${objectText(finding.object)}: ${outcome}`),
    '',
    '| step | predicted | took | predicted end | real end | evictions predicted | evictions real |',
    '|---|---|---|---|---|---|---|',
    ...steps.map(
      (one) =>
        `| ${one.step} | ${seconds(one.predictedMs)} | ${cell(one.realMs)} | ${one.predicted} | ${one.real} | ${one.predictedEvictions ?? ''} | ${one.realEvictions ?? ''} |`,
    ),
    '',
  ].join('\n');
}
