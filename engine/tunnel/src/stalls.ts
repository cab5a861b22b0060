/**
 * Streams whose reader has stopped asking. Each one holds a stream's window of bytes at the hub, so their number is
 * bounded: above it, the one that has stalled longest is reset.
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import type { ReadPace } from './stream-body.ts';

interface Reader {
  since: number | undefined;
  readonly reset: () => void;
}

/** Bounds on stalled readers; times in milliseconds. */
export interface StallLimits {
  /** Stalled readers that one tunnel keeps. */
  readonly stalledMax: number;
  /** A reader that has not asked for so long is stalled. */
  readonly stalledAfterMs: number;
}

/** 64 stalled readers hold 540 MB at most. */
export const defaultStalls: StallLimits = { stalledMax: 64, stalledAfterMs: 5_000 };

/** The readers of one tunnel. */
export class Stalls {
  readonly #clock: Clock;
  readonly #limits: StallLimits;
  readonly #readers = new Set<Reader>();

  constructor(clock: Clock, limits: StallLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Follows one reader until `done`; `reset` ends its stream. */
  follow(reset: () => void): ReadPace & { readonly done: () => void } {
    const reader: Reader = { since: undefined, reset };
    this.#readers.add(reader);
    return {
      handedOut: () => void (reader.since = this.#clock.monotonic()),
      askedAgain: () => void (reader.since = undefined),
      done: () => void this.#readers.delete(reader),
    };
  }

  /** Resets the longest stalled above the limit; gives how many. Call it regularly and before a stream is opened. */
  enforce(): number {
    // Asked before every request: while there are few readers nothing is looked at.
    if (this.#readers.size <= this.#limits.stalledMax) return 0;
    const before = this.#clock.monotonic() - this.#limits.stalledAfterMs;
    const stalled = [...this.#readers].filter((reader) => reader.since !== undefined && reader.since <= before);
    const over = stalled
      .toSorted((a, b) => (a.since ?? 0) - (b.since ?? 0))
      .slice(0, Math.max(0, stalled.length - this.#limits.stalledMax));
    for (const reader of over) {
      this.#readers.delete(reader);
      reader.reset();
    }
    return over.length;
  }
}
