/** Time is passed in. The system clock is here; the virtual one is in `ground/testing`. */

/** A timer that can be cancelled; cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

/** Wall time, monotonic time and timers, all in milliseconds. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): number;
  /** Never goes back; only differences mean anything. */
  monotonic(): number;
  /** Calls `fn` once after `delayMs`. The timer alone does not keep a process alive when `unref` is set. */
  after(delayMs: number, fn: () => void, options?: { readonly unref?: boolean }): Timer;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fn, options) => {
    const handle: unknown = setTimeout(fn, Math.min(delayMs, 0x7fffffff));
    if (options?.unref === true) (handle as { unref?: () => void }).unref?.();
    return { cancel: () => clearTimeout(handle as Parameters<typeof clearTimeout>[0]) };
  },
};
