/** The runbooks that a program has. */
import { didYouMean } from '@polyanthus/ground-cli-kit/suggest';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { runbookErrors } from './errors.ts';
import { approvable } from './questions.ts';
import type { Runbook } from './runbook.ts';

/** RunParameterInvalid for a step to go back to that the runbook does not have: nothing must be undone for a typing error. */
export function unknownStep({ id, stages }: Runbook, step: string | undefined): Error | undefined {
  const ids = stages.flatMap((stage) => stage.steps.map((one) => one.id));
  if (step === undefined || ids.includes(step)) return undefined;
  return runbookErrors.error(
    'RunParameterInvalid',
    `runbook ${id} has no step ${step}${didYouMean(step, ids)}; it has ${ids.join(', ')}`,
    { next: `See: polyanthus runbook explain ${id}` },
  );
}

/** Throws RunParameterInvalid when one of `STEP` or `STEP/TARGET` asks for no approval in this run. */
export function refuseUnapprovable(runbook: Runbook, keys: readonly string[], run: Run): void {
  const ids = approvable(runbook, run.spec.parameters);
  const targets = run.spec.targets.map((one) => one.name);
  const lost = keys.map((key) => key.split('/')[1]).find((name) => name !== undefined && !targets.includes(name));
  if (lost !== undefined)
    throw runbookErrors.error(
      'RunParameterInvalid',
      `run ${run.metadata.name ?? ''} has no target ${lost}${didYouMean(lost, targets)}`,
      { next: `See: polyanthus runbook list -o wide` },
    );
  const unknown = keys.find((key) => !ids.includes(key.split('/', 1)[0] ?? ''));
  if (unknown === undefined) return;
  const there = ids.length === 0 ? 'nothing of it waits for an approval' : `those that do are ${ids.join(', ')}`;
  throw runbookErrors.error(
    'RunParameterInvalid',
    `run ${run.metadata.name ?? ''} of ${runbook.id}: ${unknown} waits for no approval; ${there}`,
    { next: `See: polyanthus runbook explain ${runbook.id}` },
  );
}

/** By id. Throws RunbookUnknown. */
export function findRunbook(runbooks: readonly Runbook[], id: string): Runbook {
  const found = runbooks.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw runbookErrors.error(
    'RunbookUnknown',
    `there is no runbook ${JSON.stringify(id)}${didYouMean(
      id,
      runbooks.map((one) => one.id),
    )}; there are ${runbooks.map((one) => one.id).join(', ')}`,
  );
}
