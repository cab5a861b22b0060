/** How long a Job waits before it replaces pods that failed: ten seconds, doubling up to ten minutes, by its last success. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { endOf } from './job-state.ts';

const initialMs = 10_000;
const maxMs = 600_000;

/** Failures since the last success, and when the last one was, in milliseconds of wall time. */
export interface Backoff {
  readonly failures: number;
  readonly lastMs: number;
}

export const noBackoff: Backoff = { failures: 0, lastMs: 0 };

/** The record after these ends. */
export function afterEnds(before: Backoff, succeeded: readonly Pod[], failed: readonly Pod[]): Backoff {
  const lastSuccessMs = succeeded.length === 0 ? undefined : Math.max(...succeeded.map(endOf));
  const ends = failed.map(endOf).filter((end) => lastSuccessMs === undefined || end > lastSuccessMs);
  const base = lastSuccessMs === undefined ? before : noBackoff;
  return ends.length === 0 ? base : { failures: base.failures + ends.length, lastMs: Math.max(...ends) };
}

/** How long to wait from `nowMs`; 0 for not at all. */
export function backoffMs({ failures, lastMs }: Backoff, nowMs: number): number {
  if (failures === 0) return 0;
  return Math.max(0, lastMs + Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 20)) - nowMs);
}
