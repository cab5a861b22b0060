/** Fixtures for tests of controllers: a clock that stands still, and waiting for conditions instead of for time. */
import type { Clock, Timer } from '@polyanthus/ground-base/clock';
import type { Random } from '@polyanthus/ground-base/random';

export interface TestClock extends Clock {
  /** Lets `ms` pass, timer by timer; between timers everything that can run without time runs. */
  advance(ms: number): Promise<void>;
  /** Lets time pass, timer by timer, until `condition` holds; throws with `what` after `limitMs` of that time. */
  until(condition: () => boolean | Promise<boolean>, what: string, limitMs?: number): Promise<void>;
}

interface Waiting {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
}

const startMs = Date.UTC(2026, 0, 1);
/** Turns of the event loop between two timers: an in-process API answers within a few. */
const turns = 6;

/** Starts on 2026-01-01. `skewMs` shifts what `now` says, not how fast time goes. */
export function createTestClock(
  skewMs = 0,
  shared: { timers: Set<Waiting>; nowMs: number; order: number } = { timers: new Set(), nowMs: 0, order: 0 },
): TestClock & { skewed(ms: number): TestClock } {
  const first = (): Waiting | undefined => [...shared.timers].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  const fire = (timer: Waiting): void => {
    shared.timers.delete(timer);
    shared.nowMs = Math.max(shared.nowMs, timer.atMs);
    timer.fn();
  };
  const after = (delayMs: number, fn: () => void): Timer => {
    const timer = { atMs: shared.nowMs + Math.max(0, delayMs), order: shared.order++, fn };
    shared.timers.add(timer);
    return { cancel: () => void shared.timers.delete(timer) };
  };
  return {
    now: () => startMs + shared.nowMs + skewMs,
    monotonic: () => shared.nowMs,
    after,
    skewed: (ms) => createTestClock(skewMs + ms, shared),
    advance: async (ms) => {
      const endMs = shared.nowMs + ms;
      await settle();
      for (let next = first(); next !== undefined && next.atMs <= endMs; next = first()) {
        fire(next);
        await settle();
      }
      shared.nowMs = endMs;
    },
    until: async (condition, what, limitMs = 3_600_000) => {
      const endMs = shared.nowMs + limitMs;
      for (;;) {
        await settle();
        if (await condition()) return;
        const next = first();
        if (next === undefined || next.atMs > endMs)
          throw new Error(`waited ${limitMs} ms of virtual time in vain: ${what}`);
        fire(next);
      }
    },
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A repeatable source (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(float() * 256));
  const uuid = (): string => {
    const raw = bytes(16);
    raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40;
    raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80;
    const hex = Buffer.from(raw).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
  return { float, bytes, uuid };
}
