/** Which edition of a runbook: SHA-256 over all of it that is data. */
import { createHash } from 'node:crypto';
import type { Runbook } from './runbook.ts';

/** Hex. Functions do not count, hence `Runbook.version`. */
export function digestOf(runbook: Runbook): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(runbook)))
    .digest('hex');
}

/** Keys in order, functions left out: what is the same gives the same JSON. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => typeof inner !== 'function')
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
