/**
 * Time that stands still until a test moves it. Between two timers everything that is already possible happens first:
 * promise chains, next ticks, and a few turns of the event loop, so that what a test sees never depends on the machine.
 */
import type { Clock } from '@polyanthus/ground-base/clock';

/** A clock in the hands of a test. Only one `advance` or `advanceToNext` may run at a time. */
export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, running every timer that falls due in its order, also those that were set meanwhile. */
  advance(ms: number): Promise<void>;
  /** Moves time to the next timer and runs all that are due then; false, and no time passes, when there is none. */
  advanceToNext(): Promise<boolean>;
  /** Timers that are set and neither run nor cancelled. */
  readonly pending: number;
}

/** Turns of the event loop after each instant: streams and in-process transports need several to hand a message on. */
const roundsMin = 10;
/** While new timers keep coming, the turns go on, up to this many. */
const roundsMax = 1_000;
/** A test that runs more timers in one `advance` has a timer that sets itself again without a delay. */
const timersMax = 1_000_000;

interface Entry {
  readonly atMs: number;
  readonly sequence: number;
  readonly fn: () => void;
}

/** A virtual clock; `startMs` is the wall time at first, milliseconds since the Unix epoch (2026-01-01T00:00:00Z). */
export function createVirtualClock(options: { readonly startMs?: number } = {}): VirtualClock {
  return new Virtual(options.startMs ?? Date.UTC(2026, 0, 1));
}

class Virtual implements VirtualClock {
  readonly #startMs: number;
  /** By time, then by the order in which they were set. */
  readonly #timers: Entry[] = [];
  #nowMs: number;
  #sequence = 0;
  #advancing = false;

  constructor(startMs: number) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  get pending(): number {
    return this.#timers.length;
  }

  after(delayMs: number, fn: () => void): { cancel(): void } {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, fn };
    this.#timers.splice(this.#place(entry), 0, entry);
    return {
      cancel: () => {
        const place = this.#place(entry);
        if (this.#timers[place] === entry) this.#timers.splice(place, 1);
      },
    };
  }

  advance(ms: number): Promise<void> {
    return this.#alone(async () => {
      // Work already under way may set timers that fall into this stretch.
      await this.#settle();
      const untilMs = this.#nowMs + Math.max(0, ms);
      await this.#runUntil(untilMs);
      this.#nowMs = untilMs;
    });
  }

  advanceToNext(): Promise<boolean> {
    return this.#alone(async () => {
      await this.#settle();
      const next = this.#timers[0];
      if (next === undefined) return false;
      await this.#runUntil(next.atMs);
      return true;
    });
  }

  async #runUntil(untilMs: number): Promise<void> {
    for (let count = 0; ; count++) {
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) return;
      if (count >= timersMax) throw new Error(`${timersMax} timers ran before ${untilMs}: one sets itself again`);
      this.#timers.shift();
      this.#nowMs = next.atMs;
      next.fn();
      await this.#settle();
    }
  }

  /** Lets everything happen that needs no time to pass. */
  async #settle(): Promise<void> {
    for (let round = 0, quiet = 0; quiet < roundsMin && round < roundsMax; round++) {
      const before = this.#sequence;
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = before === this.#sequence ? quiet + 1 : 0;
    }
  }

  async #alone<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#advancing) throw new Error('the virtual clock is already being advanced: await the first call');
    this.#advancing = true;
    try {
      return await fn();
    } finally {
      this.#advancing = false;
    }
  }

  /** Where `entry` is, or belongs. */
  #place(entry: Entry): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle] as Entry;
      const before = other.atMs < entry.atMs || (other.atMs === entry.atMs && other.sequence < entry.sequence);
      if (before) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
