/** What a Run keeps of its rehearsal: enough to say later, anywhere, where it differed, and small however large the run is. */
import { createHash } from 'node:crypto';
import type { Run, RunRehearsal, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import type { Predicted, StepKind } from './compare.ts';
import { findingKinds, type FindingCode } from './finding.ts';
import { median } from './model/workload-book.ts';
import type { PredictedStep, Prediction } from './prediction.ts';

/** Of the summary as JSON. */
export const summaryBytesMax = 16 * 1024;
/** A time for each step: to 25 nodes of node-maintenance; beyond that, one for each kind of step. */
const stepsMax = 200;
const kindsMax = 50;
const findingsMax = 20;
/** What is left of them when names are so long that all of it would be too much. */
const findingsLeast = 3;
const podsMax = 5;

type Plan = Pick<Run['spec'], 'runbook' | 'digest' | 'targets'> & { readonly parameters?: object };

/** The same for a prediction and for the run of the same runbook, edition, parameters and targets: SHA-256 (hex). */
export function planDigestOf({ runbook, digest, parameters = {}, targets }: Plan): string {
  const given = Object.entries(parameters).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const what = [runbook, digest, given, targets.map((target) => [target.kind, target.name, target.uid])];
  return createHash('sha256').update(JSON.stringify(what)).digest('hex');
}

/** In how many ways a run is not what was rehearsed, as sentences; none when it is. */
export function planDifferences(rehearsed: Plan, run: Plan): readonly string[] {
  if (rehearsed.runbook !== run.runbook) return [`it was of runbook ${rehearsed.runbook}`];
  const one = (rehearsed.parameters ?? {}) as Readonly<Record<string, unknown>>;
  const other = (run.parameters ?? {}) as Readonly<Record<string, unknown>>;
  const shown = (value: unknown): string => (value === undefined ? 'not set' : JSON.stringify(value)).slice(0, 200);
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].toSorted();
  const targets = ({ targets: of }: Plan): string => JSON.stringify(of.map(({ kind, name, uid }) => [kind, name, uid]));
  return [
    ...(rehearsed.digest === run.digest ? [] : ['it was of another edition of the runbook']),
    ...names
      .filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]))
      .map((name) => `${name} was ${shown(one[name])}, not ${shown(other[name])}`),
    ...(targets(rehearsed) === targets(run) ? [] : ['the targets were others']),
  ];
}

/** The summary of a prediction. */
export function summaryOf(prediction: Prediction): RunRehearsal {
  const { steps, findings, snapshot, unknowns, uncounted } = prediction;
  const whole: RunRehearsal = {
    madeAt: prediction.madeAt,
    verdict: prediction.verdict,
    snapshot: {
      takenAt: snapshot.takenAt,
      source: snapshot.source,
      ...(snapshot.hash === undefined ? {} : { hash: snapshot.hash }),
    },
    plan: planDigestOf(prediction),
    endMs: prediction.endMs,
    evictions: prediction.evictions,
    ...(uncounted.length === 0 ? {} : { uncounted: uncounted.slice(0, kindsMax) }),
    unknowns: unknowns.length,
    findingCount: findings.length,
    findings: findings.slice(0, findingsMax).map(({ severity, code, object, step, pods = [] }) => ({
      severity,
      code,
      object,
      ...(step === undefined ? {} : { step }),
      ...(pods.length === 0 ? {} : { pods: pods.slice(0, podsMax) }),
    })),
    stepKinds: kindsOf(steps).slice(0, kindsMax),
    ...(isInOrder(steps) ? { steps: steps.map(inShort) } : {}),
  };
  return fitted(whole);
}

/** A target that was not there has no steps, and then places in the list are no orders. */
function isInOrder(steps: readonly PredictedStep[]): boolean {
  return steps.length <= stepsMax && steps.every(({ order }, index) => order === index);
}

function inShort({ startMs, endMs, evictions, outcome }: PredictedStep): NonNullable<RunRehearsal['steps']>[number] {
  return {
    ms: endMs - startMs,
    ...(evictions === undefined ? {} : { evictions }),
    ...(outcome === 'fails' ? { fails: true } : {}),
  };
}

function kindsOf(steps: readonly PredictedStep[]): readonly StepKind[] {
  const kinds = new Map<string, PredictedStep[]>();
  for (const step of steps) kinds.set(step.step, [...(kinds.get(step.step) ?? []), step]);
  return [...kinds].map(([step, same]) => {
    const times = same.map(({ startMs, endMs }) => endMs - startMs);
    const evicting = same.flatMap(({ evictions }) => evictions ?? []);
    return {
      step,
      count: same.length,
      medianMs: median(times) ?? 0,
      maxMs: times.reduce((most, one) => Math.max(most, one), 0),
      ...(evicting.length === 0 ? {} : { evictions: evicting.reduce((sum, one) => sum + one, 0) }),
    };
  });
}

/** Long names can make it too large: then the times of single steps go first, then pods, then findings. */
function fitted(whole: RunRehearsal): RunRehearsal {
  const { steps: _steps, ...kinds } = whole;
  const podless = { ...kinds, findings: kinds.findings.map(({ pods: _pods, ...rest }) => rest) };
  const least = { ...podless, findings: podless.findings.slice(0, findingsLeast) };
  const bytes = (one: RunRehearsal): number => Buffer.byteLength(JSON.stringify(one));
  return [whole, kinds, podless].find((one) => bytes(one) <= summaryBytesMax) ?? least;
}

/** For the comparison; undefined when the run keeps none, or another one's. Steps are named as the run has them. */
export function predictedBy(run: Run, steps: readonly RunStep[]): Predicted | undefined {
  const { rehearsal } = run.spec;
  if (rehearsal === undefined || rehearsal.plan !== planDigestOf(run.spec)) return undefined;
  const each = rehearsal.steps;
  return {
    madeAt: rehearsal.madeAt,
    verdict: rehearsal.verdict,
    endMs: rehearsal.endMs,
    uncounted: rehearsal.uncounted ?? [],
    findingCount: rehearsal.findingCount,
    findings: rehearsal.findings.flatMap((one) =>
      Object.hasOwn(findingKinds, one.code) ? [{ ...one, code: one.code as FindingCode }] : [],
    ),
    ...(each === undefined ? { stepKinds: rehearsal.stepKinds } : {}),
    steps: steps.flatMap(({ spec: { order, step, target } }) => {
      const known = each?.[order];
      if (known === undefined) return [];
      const { ms, evictions, fails } = known;
      return {
        order,
        step,
        ...(target === undefined ? {} : { target: target.name }),
        startMs: 0,
        endMs: ms,
        outcome: fails === true ? ('fails' as const) : ('proven' as const),
        ...(evictions === undefined ? {} : { evictions }),
      };
    }),
  };
}
