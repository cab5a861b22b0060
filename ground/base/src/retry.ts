/** Backoff with jitter, and bounded retries that say so. */
import { sleep, type Context } from './context.ts';
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

/** Calls `fn` until it succeeds, `retryable` says no, or the attempts are used up; logs each retry. */
export async function retry<T>(
  ctx: Context,
  options: {
    readonly policy: RetryPolicy;
    readonly random: Random;
    readonly what: string;
    readonly retryable: (error: unknown) => boolean;
  },
  fn: (ctx: Context, attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn(ctx, attempt);
    } catch (error) {
      if (ctx.signal.aborted || attempt >= options.policy.attempts || !options.retryable(error)) throw error;
      const delayMs = backoffMs(options.policy, attempt, options.random);
      ctx.log.warn('attempt failed, retrying', {
        what: options.what,
        attempt,
        attempts: options.policy.attempts,
        delayMs: Math.round(delayMs),
        error,
      });
      await sleep(ctx, delayMs);
    }
  }
}
