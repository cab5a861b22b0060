/** The planner: what a plan will do to the cluster of a snapshot, without doing it anywhere. */
import { digestOf } from '@polyanthus/engine-runbook/digest';
import type { ParameterValues } from '@polyanthus/engine-runbook/parameters';
import { planOf, type PlannedStage } from '@polyanthus/engine-runbook/plan';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import { crdFindings, removedApiFindings } from './apis/api-use.ts';
import type { Finding, Unknown } from './finding.ts';
import { Cluster } from './model/cluster.ts';
import type { PodState } from './model/pod.ts';
import { ClusterRun } from './plan/cluster-run.ts';
import { Journal } from './plan/journal.ts';
import { EventLoop } from './plan/loop.ts';
import { PlanRun } from './plan/plan-run.ts';
import { verdictOf, type PredictedStep, type Prediction } from './prediction.ts';
import { seconds } from './seconds.ts';
import { defaultTimes, type LearntTimes } from './times.ts';
import { admissionUnknowns, lowestPriority, podUnknowns, preemptionUnknowns, unreadUnknowns } from './unknowns.ts';

/** What is rehearsed. */
export interface RehearsalInput {
  readonly snapshot: Snapshot;
  readonly runbook: Runbook;
  readonly parameters: ParameterValues;
  readonly targets: readonly RunTarget[];
  readonly times: LearntTimes;
  /** Instead of the runbook's own stages: what another order would take. */
  readonly stages?: readonly PlannedStage[];
  /** Minor version of Kubernetes that the cluster will have; absent: API versions are not looked at. */
  readonly targetMinor?: number | undefined;
  /** What dry runs on the live cluster said; absent: nobody was asked. */
  readonly probed?: { readonly findings: readonly Finding[]; readonly unknowns: readonly Unknown[] } | undefined;
  /** RFC 3339. */
  readonly madeAt: string;
}

/** A prediction, and what only benchmarks and checks of the planner ask for. */
export interface Rehearsed {
  readonly prediction: Prediction;
  /** Events that the planner went through. */
  readonly events: number;
  /** All pods as they are in the end. */
  readonly pods: readonly PodState[];
}

/** Rehearses; pure. */
export function rehearse(input: RehearsalInput): Rehearsed {
  const { snapshot, runbook, parameters, targets, times, targetMinor, probed } = input;
  const cluster = new Cluster(snapshot);
  const loop = new EventLoop();
  const journal = new Journal(cluster.nodes.length);
  const stages = input.stages ?? planOf(runbook, parameters, targets);
  const moving = new Set(targets.filter((one) => one.kind === 'Node').map((one) => one.name));
  // Before anything moves.
  const lowest = lowestPriority(cluster);
  const before = [
    ...unreadUnknowns(snapshot, targetMinor !== undefined),
    ...(probed?.unknowns ?? admissionUnknowns(snapshot)),
    ...podUnknowns(cluster, moving),
  ];
  const podEndMs = shortestDrain(stages, times);
  const run = new ClusterRun(cluster, loop, journal, { podEndMs });
  const plan = new PlanRun({ run, loop, journal, times, parameters });
  let endMs = 0;
  plan.start(stages, () => (endMs = loop.nowMs));
  loop.run();
  const unknowns = [...before, ...preemptionUnknowns(journal.homeless, lowest)];
  const findings = [
    ...(probed?.findings ?? []),
    ...journal.all(loop.nowMs),
    ...(targetMinor === undefined ? [] : [...removedApiFindings(snapshot, targetMinor), ...crdFindings(snapshot)]),
  ].toSorted(graver);
  const steps = plan.steps.toSorted((one, other) => one.order - other.order);
  const { takenAt, source, server } = snapshot;
  const prediction: Prediction = {
    formatVersion: 1,
    runbook: runbook.id,
    digest: digestOf(runbook),
    parameters,
    targets,
    snapshot: { takenAt, source, gitVersion: server.gitVersion },
    madeAt: input.madeAt,
    verdict: verdictOf(findings, unknowns),
    findings,
    unknowns,
    steps,
    evictions: steps.reduce((sum, step) => sum + (step.evictions ?? 0), 0),
    endMs,
    uncounted: [...new Set(steps.filter(({ basis }) => basis.source === 'unknown').map(({ step }) => step))],
    assumptions: assumptionsOf(stages, podEndMs, steps),
  };
  return { prediction, events: loop.ran, pods: run.pods };
}

const order = ['error', 'warning', 'info'];
const graver = (one: Finding, other: Finding): number => order.indexOf(one.severity) - order.indexOf(other.severity);

/** No pod of a drain took longer to end than the drain took; of several drains the shortest bounds it best. */
function shortestDrain(stages: readonly PlannedStage[], times: LearntTimes): number | undefined {
  const learnt = stages
    .flatMap(({ lanes }) => lanes.flat())
    .filter(({ definition }) => definition.effect?.kind === 'drain-node')
    .flatMap(({ definition, target }) => times.stepMs(definition.id, target?.name)?.ms ?? []);
  return learnt.length === 0 ? undefined : Math.min(...learnt);
}

function assumptionsOf(
  stages: readonly PlannedStage[],
  podEndMs: number | undefined,
  steps: readonly PredictedStep[],
): readonly string[] {
  const definitions = stages.flatMap(({ stage }) => stage.steps);
  const ids = new Set(stages.flatMap(({ lanes }) => (lanes[0] ?? []).map((step) => step.definition.id)));
  const asked = definitions.filter(({ kind, id }) => kind === 'approval' && ids.has(id));
  const unmodelled = definitions.filter(
    ({ kind, id, effect }) => kind === 'action' && effect === undefined && ids.has(id),
  );
  return [
    'Nothing but the plan changes the cluster: no rollout, no autoscaler, no new nodes, no preemption.',
    'A step that fails is mended at once, so that what follows is predicted too.',
    podEndMs === undefined
      ? `A pod ends after ${seconds(defaultTimes.podEndMs)}, or its grace period where that is shorter; no earlier run tells.`
      : `A pod ends after ${seconds(podEndMs)} at most, as the drains of earlier runs did, or after its grace period.`,
    `A pod is ready as fast as the others of its workload were; where none tells, after ${seconds(defaultTimes.podReadyMs)}.`,
    ...asked.map(({ id, title }) =>
      steps.some(({ step, basis }) => step === id && basis.source === 'unknown')
        ? `How long people take for "${title}" is unknown and not counted.`
        : `People take as long for "${title}" as in earlier runs.`,
    ),
    ...unmodelled.map(
      ({ title }) =>
        `What "${title}" does is not modelled; without earlier runs it is counted as ${seconds(defaultTimes.unknownActionMs)}.`,
    ),
  ];
}
