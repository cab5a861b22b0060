/** Fixtures for tests of controllers: the virtual clock with waiting for conditions instead of for time. */
import type { Clock } from '@polyanthus/ground-base/clock';
import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';

/** A virtual clock that tests of controllers can wait with. */
export interface TestClock extends VirtualClock {
  /** Lets time pass, timer by timer, until `condition` holds; throws with `what` after `limitMs` of that time (1 h). */
  until(condition: () => boolean | Promise<boolean>, what: string, limitMs?: number): Promise<void>;
}

/** Starts on 2026-01-01. */
export function createTestClock(): TestClock {
  const clock = createVirtualClock();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, fn) => clock.after(delayMs, fn),
    advance: (ms) => clock.advance(ms),
    advanceToNext: () => clock.advanceToNext(),
    get pending() {
      return clock.pending;
    },
    until: async (condition, what, limitMs = 3_600_000) => {
      const endMs = clock.now() + limitMs;
      await clock.advance(0);
      while (!(await condition())) {
        if (clock.now() > endMs || !(await clock.advanceToNext())) {
          throw new Error(`waited ${limitMs} ms of virtual time in vain for ${what}`);
        }
      }
    },
  };
}

/** The same clock as a machine sees it whose wall time is wrong by `skewMs`. */
export function skewedClock(clock: Clock, skewMs: number): Clock {
  return {
    now: () => clock.now() + skewMs,
    monotonic: () => clock.monotonic(),
    after: (delayMs, fn, options) => clock.after(delayMs, fn, options),
  };
}
