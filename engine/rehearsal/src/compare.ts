/** Where a real run differed from its rehearsal: times and evictions of each step, and which findings came true. */
import type { DrainMark } from '@polyanthus/engine-runbook/effects';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { objectText, type Finding } from './finding.ts';
import { median } from './model/workload-book.ts';
import type { PredictedStep, Prediction } from './prediction.ts';
import { seconds } from './seconds.ts';
import { uncountedText } from './text.ts';

/** What a comparison needs of a finding. */
export type FindingInShort = Pick<Finding, 'severity' | 'code' | 'object' | 'step' | 'pods'>;

/** What a comparison needs of a rehearsal: a whole prediction, or what a run keeps of it. */
export interface Predicted extends Pick<Prediction, 'madeAt' | 'verdict' | 'endMs'> {
  readonly uncounted?: readonly string[];
  readonly findings: readonly FindingInShort[];
  /** All findings, where some were left out. */
  readonly findingCount?: number;
  readonly steps: readonly Pick<
    PredictedStep,
    'order' | 'step' | 'target' | 'startMs' | 'endMs' | 'outcome' | 'evictions'
  >[];
  /** In place of `steps`: all targets of a step together. */
  readonly stepKinds?: readonly StepKind[];
}

/** A step on all of its targets. */
export interface StepKind {
  readonly step: string;
  readonly count: number;
  readonly medianMs: number;
  readonly maxMs: number;
  readonly evictions?: number;
}

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
  /** An executor was killed while it evicted: there may have been more. */
  readonly realEvictionsAtLeast?: true;
}

/** A step on all of its targets, both ways; what is not known is absent. */
export interface KindDifference {
  readonly predicted: StepKind;
  readonly real?: StepKind;
}

/** What became of a finding. `unseen`: a run leaves no trace that would tell. */
export interface FindingOutcome {
  readonly finding: FindingInShort;
  readonly outcome: 'came true' | 'did not come true' | 'unseen';
}

/** The whole comparison. */
export interface RunComparison {
  readonly rehearsedAt: string;
  readonly verdict: Prediction['verdict'];
  readonly predictedEndMs: number;
  /** Steps whose time was unknown, and is no part of `predictedEndMs`. */
  readonly uncounted: readonly string[];
  readonly realEndMs?: number;
  readonly steps: readonly StepDifference[];
  /** Only where the run was too large to keep a time for each of its steps. */
  readonly stepKinds: readonly KindDifference[];
  readonly findings: readonly FindingOutcome[];
  /** Findings that the run has not kept. */
  readonly findingsLeftOut: number;
  /** Steps that failed although the rehearsal said nothing. */
  readonly surprises: readonly string[];
}

/** Compares; pure. */
export function compareRun(prediction: Predicted, run: Run, steps: readonly RunStep[]): RunComparison {
  const ended = endTimes(steps);
  const byOrder = new Map(steps.map((step) => [step.spec.order, step]));
  const startedMs = parseKubeTime(run.status?.startedAt);
  const endedMs = parseKubeTime(run.status?.endedAt);
  const failed = steps.filter((step) => step.status?.state === 'Failed' || (step.status?.failures ?? 0) > 0);
  const drains = steps.flatMap((step) => drainOf(step) ?? []);
  const explained = new Set(prediction.findings.flatMap((one) => one.step ?? []));
  for (const one of prediction.steps) if (one.outcome === 'fails') explained.add(keyOf(one.step, one.target));
  return {
    rehearsedAt: prediction.madeAt,
    verdict: prediction.verdict,
    predictedEndMs: prediction.endMs,
    uncounted: prediction.uncounted ?? [],
    ...(startedMs === undefined || endedMs === undefined ? {} : { realEndMs: endedMs - startedMs }),
    steps: prediction.steps.map((one) => difference(one, byOrder.get(one.order), ended)),
    stepKinds: (prediction.stepKinds ?? []).map((predicted) => kindDifference(predicted, steps, ended)),
    findings: prediction.findings.map((finding) => ({ finding, outcome: outcomeOf(finding, failed, drains) })),
    findingsLeftOut: (prediction.findingCount ?? prediction.findings.length) - prediction.findings.length,
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

/** What a drain has left in its step. */
function drainOf({ status }: RunStep): DrainMark | undefined {
  const mark = status?.mark as Partial<DrainMark> | null | undefined;
  return typeof mark?.evicted === 'number' && typeof mark.blockedTimes === 'number' ? (mark as DrainMark) : undefined;
}

function difference(
  predicted: Predicted['steps'][number],
  real: RunStep | undefined,
  took: ReadonlyMap<number, number>,
): StepDifference {
  const realMs = took.get(predicted.order);
  const drain = real === undefined ? undefined : drainOf(real);
  return {
    step: keyOf(predicted.step, predicted.target),
    predictedMs: predicted.endMs - predicted.startMs,
    ...(realMs === undefined ? {} : { realMs }),
    predicted: predicted.outcome,
    real: real?.status?.state ?? 'Pending',
    ...(predicted.evictions === undefined ? {} : { predictedEvictions: predicted.evictions }),
    ...(drain === undefined ? {} : { realEvictions: drain.evicted }),
    ...(drain?.atLeast === true ? { realEvictionsAtLeast: true as const } : {}),
  };
}

function kindDifference(
  predicted: StepKind,
  steps: readonly RunStep[],
  took: ReadonlyMap<number, number>,
): KindDifference {
  const same = steps.filter(({ spec }) => spec.step === predicted.step);
  const times = same.flatMap(({ spec }) => took.get(spec.order) ?? []);
  const medianMs = median(times);
  if (medianMs === undefined) return { predicted };
  const drains = same.flatMap((step) => drainOf(step) ?? []);
  const evictions = drains.length === 0 ? {} : { evictions: drains.reduce((sum, one) => sum + one.evicted, 0) };
  const maxMs = times.reduce((most, one) => Math.max(most, one), 0);
  return { predicted, real: { step: predicted.step, count: times.length, medianMs, maxMs, ...evictions } };
}

/** A finding that stops the plan shows in the step that it names, others in what drains left; some leave no trace. */
function outcomeOf(
  finding: FindingInShort,
  failed: readonly RunStep[],
  drains: readonly DrainMark[],
): FindingOutcome['outcome'] {
  const { code, object } = finding;
  if (code === 'BudgetWaits') {
    const name = `${object.namespace ?? ''}/${object.name}`;
    if (drains.some((one) => one.blockedBy?.includes(name) === true)) return 'came true';
    return drains.length === 0 || drains.some((one) => one.atLeast === true) ? 'unseen' : 'did not come true';
  }
  // Drains look once, when all that they evict has gone: what they did not see may have been.
  if (code === 'WorkloadDown' || code === 'SingleReplica')
    return drains.some((one) => one.down?.some((name) => isOf(name, object)) === true) ? 'came true' : 'unseen';
  if (finding.step === undefined || finding.severity !== 'error') return 'unseen';
  const names = [object.name, ...(finding.pods ?? [])];
  const shown = failed.some(
    (step) => stepName(step) === finding.step || names.some((name) => step.status?.message?.includes(name) === true),
  );
  return shown ? 'came true' : 'did not come true';
}

/** `Kind namespace/name` of a controller: the object itself, or a ReplicaSet of that Deployment. */
function isOf(controller: string, { kind, namespace = '', name }: Finding['object']): boolean {
  if (controller === `${kind} ${namespace}/${name}`) return true;
  const prefix = `ReplicaSet ${namespace}/${name}-`;
  return kind === 'Deployment' && controller.startsWith(prefix) && !controller.slice(prefix.length).includes('-');
}

/** For the report in Markdown. */
export function comparisonMarkdown(comparison: RunComparison): string {
  const { findings, findingsLeftOut, surprises, realEndMs, uncounted } = comparison;
  return [
    `## Beside the rehearsal of ${comparison.rehearsedAt}`,
    `- Verdict of the rehearsal: ${comparison.verdict}`,
    `- Whole run: predicted ${seconds(comparison.predictedEndMs)}${uncountedText(uncounted)}; took ${realEndMs === undefined ? 'not ended' : seconds(realEndMs)}`,
    ...surprises.map((step) => `- Not predicted: ${step} failed`),
    ...findings.map(({ finding, outcome }) => `- ${finding.code} ${objectText(finding.object)}: ${outcome}`),
    ...(findingsLeftOut > 0 ? [`- ${findingsLeftOut} more findings, which the run has not kept`] : []),
    '',
    ...stepTable(comparison),
    ...kindTable(comparison.stepKinds),
  ].join('\n');
}

const cell = (value: number | undefined): string => (value === undefined ? '' : seconds(value));

function stepTable({ steps, uncounted }: RunComparison): readonly string[] {
  if (steps.length === 0) return [];
  const predicted = ({ step, predictedMs }: StepDifference): string =>
    uncounted.includes(step.split('/')[0] ?? '') ? 'unknown' : seconds(predictedMs);
  const evictions = ({ realEvictions, realEvictionsAtLeast }: StepDifference): string =>
    `${realEvictionsAtLeast === true ? 'at least ' : ''}${realEvictions ?? ''}`;
  return [
    '| step | predicted | took | predicted end | real end | evictions predicted | evictions real |',
    '|---|---|---|---|---|---|---|',
    ...steps.map(
      (one) =>
        `| ${one.step} | ${predicted(one)} | ${cell(one.realMs)} | ${one.predicted} | ${one.real} | ${one.predictedEvictions ?? ''} | ${evictions(one)} |`,
    ),
    '',
  ];
}

function kindTable(kinds: readonly KindDifference[]): readonly string[] {
  if (kinds.length === 0) return [];
  return [
    '| step | targets predicted | targets real | median predicted | median real | longest predicted | longest real | evictions predicted | evictions real |',
    '|---|---|---|---|---|---|---|---|---|',
    ...kinds.map(
      ({ predicted, real }) =>
        `| ${predicted.step} | ${predicted.count} | ${real?.count ?? 0} | ${seconds(predicted.medianMs)} | ${cell(real?.medianMs)} | ${seconds(predicted.maxMs)} | ${cell(real?.maxMs)} | ${predicted.evictions ?? ''} | ${real?.evictions ?? ''} |`,
    ),
    '',
  ];
}
