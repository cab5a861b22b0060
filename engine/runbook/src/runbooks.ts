/** The runbooks that a program has. */
import { runbookErrors } from './errors.ts';
import type { Runbook } from './runbook.ts';

/** By id. Throws RunbookUnknown. */
export function findRunbook(runbooks: readonly Runbook[], id: string): Runbook {
  const found = runbooks.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw runbookErrors.error(
    'RunbookUnknown',
    `there is no runbook ${JSON.stringify(id)}; there are ${runbooks.map((one) => one.id).join(', ')}`,
  );
}
