/** What a run waits for the user to say: approvals of steps, and answers to what a step asks. */
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { isPlanned, type PlannedStep } from './plan.ts';
import type { Runbook } from './runbook.ts';

/** How the question of a step is approved: `ID` or `ID/TARGET`; undefined where it has none. */
export function questionKey({ definition, target }: Pick<PlannedStep, 'definition' | 'target'>): string | undefined {
  const id = definition.kind === 'action' ? definition.question?.id : undefined;
  return id === undefined || target === undefined ? id : `${id}/${target.name}`;
}

/** Whether the user approved `ID/TARGET`, for that target or for all. */
export function isApproved(run: Run, key: string): boolean {
  const approvals = run.spec.approvals ?? [];
  return approvals.includes(key) || approvals.includes(key.split('/', 1)[0] ?? '');
}

/** Everything of a runbook that can be approved, by id; with the parameters of a run, what can be in that run. */
export function approvable(runbook: Runbook, parameters?: Readonly<Record<string, unknown>>): readonly string[] {
  const isSet = (name: string): boolean => parameters === undefined || parameters[name] !== undefined;
  return runbook.stages.flatMap((stage) =>
    stage.steps.flatMap((step) => {
      if (parameters !== undefined && !isPlanned(step, parameters)) return [];
      if (step.kind === 'approval') return [step.id];
      return step.kind === 'action' && step.question !== undefined && isSet(step.question.parameter)
        ? [step.question.id]
        : [];
    }),
  );
}
