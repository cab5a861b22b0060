/** The runbooks that a program has. */
import { runbookErrors } from './errors.ts';
import { approvable } from './questions.ts';
import type { Runbook } from './runbook.ts';

/** RunParameterInvalid for a step to go back to that the runbook does not have: nothing must be undone for a typing error. */
export function unknownStep({ id, stages }: Runbook, step: string | undefined): Error | undefined {
  const ids = stages.flatMap((stage) => stage.steps.map((one) => one.id));
  if (step === undefined || ids.includes(step)) return undefined;
  return runbookErrors.error('RunParameterInvalid', `runbook ${id} has no step ${step}; it has ${ids.join(', ')}`);
}

/** Throws RunParameterInvalid when one of `STEP` or `STEP/TARGET` asks for no approval. */
export function refuseUnapprovable(runbook: Runbook, keys: readonly string[]): void {
  const ids = approvable(runbook);
  const unknown = keys.find((key) => !ids.includes(key.split('/', 1)[0] ?? ''));
  if (unknown === undefined) return;
  const there = ids.length === 0 ? 'nothing of it waits for an approval' : `those that do are ${ids.join(', ')}`;
  throw runbookErrors.error('RunParameterInvalid', `runbook ${runbook.id}: ${unknown} waits for no approval; ${there}`);
}

/** By id. Throws RunbookUnknown. */
export function findRunbook(runbooks: readonly Runbook[], id: string): Runbook {
  const found = runbooks.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw runbookErrors.error(
    'RunbookUnknown',
    `there is no runbook ${JSON.stringify(id)}; there are ${runbooks.map((one) => one.id).join(', ')}`,
  );
}
