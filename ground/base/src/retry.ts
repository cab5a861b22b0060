/** Backoff with jitter, and its bounds as data. */
import type { Random } from './random.ts';

/** Exponential backoff; all times in milliseconds. `attempts` counts calls, so 1 never retries; Infinity is for loops that a context ends. */
export interface RetryPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  /** Full jitter: the delay is drawn from [delay*(1-jitter), delay]. */
  readonly jitter: number;
  readonly attempts: number;
}

/** The delay before attempt `attempt` (1 is the first retry). */
export function backoffMs(policy: RetryPolicy, attempt: number, random: Random): number {
  const full = Math.min(policy.maxMs, policy.initialMs * policy.factor ** Math.max(0, attempt - 1));
  return full * (1 - policy.jitter * random.float());
}
