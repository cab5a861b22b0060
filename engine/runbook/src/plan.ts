/** From a runbook, its parameters and targets to the steps to take: pure, so that a successor plans the same. */
import type { Run, RunStep, RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import { runLabel } from '@polyanthus/kube-kinds/own/runbook';
import { numberOf, type Runbook, type Stage, type StepDefinition } from './runbook.ts';
import type { ParameterValues } from './parameters.ts';

/** One step of the plan. */
export interface PlannedStep {
  readonly order: number;
  readonly stage: string;
  readonly lane: number;
  readonly target: RunTarget | undefined;
  readonly definition: StepDefinition;
}

/** One stage of the plan. */
export interface PlannedStage {
  readonly stage: Stage;
  /** Lanes at once. */
  readonly window: number;
  readonly lanes: readonly (readonly PlannedStep[])[];
}

/** The whole plan, in order. */
export function planOf(
  runbook: Runbook,
  parameters: ParameterValues,
  targets: readonly RunTarget[],
): readonly PlannedStage[] {
  let order = 0;
  return runbook.stages.map((stage) => {
    const laneTargets: readonly (RunTarget | undefined)[] = stage.lanes === 'once' ? [undefined] : targets;
    const steps = stage.steps.filter((step) => isPlanned(step, parameters));
    const lanes = laneTargets.map((target, lane) =>
      steps.map((definition) => ({ order: order++, stage: stage.id, lane, target, definition })),
    );
    return { stage, window: Math.max(1, numberOf(stage.window ?? 1, parameters)), lanes };
  });
}

/** Whether the step is one of a run with these parameters. */
export function isPlanned(
  { when }: Pick<StepDefinition, 'when'>,
  parameters: Readonly<Record<string, unknown>>,
): boolean {
  if (when === undefined) return true;
  return [when].flat().some(({ parameter, equals }) => {
    const value = parameters[parameter];
    return equals === undefined ? value !== undefined : value === equals;
  });
}

/** `STEP` or `STEP/TARGET`: how approvals and people name it. */
export function stepKey(step: Pick<PlannedStep, 'definition' | 'target'>): string {
  return step.target === undefined ? step.definition.id : `${step.definition.id}/${step.target.name}`;
}

/** The object that stands for a planned step, as it is created. */
export function stepObject(run: Run, step: PlannedStep): RunStep {
  const { name = '', namespace, uid = '' } = run.metadata;
  return {
    apiVersion: run.apiVersion,
    kind: 'RunStep',
    metadata: {
      name: stepName(name, step.order),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { [runLabel]: name },
      ownerReferences: [{ apiVersion: run.apiVersion, kind: 'Run', name, uid, controller: true }],
    },
    spec: {
      run: name,
      order: step.order,
      stage: step.stage,
      lane: step.lane,
      step: step.definition.id,
      title: step.definition.title,
      ...(step.target === undefined ? {} : { target: step.target }),
    },
  };
}

/** `RUN-00012`. */
export function stepName(run: string, order: number): string {
  return `${run}-${String(order).padStart(5, '0')}`;
}
