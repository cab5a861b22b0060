/**
 * The one buffer of events behind all watches and old reads. Every revision is one event, so an event is found by
 * subtraction. Bounded by count and by bytes; a pin may stretch both to four times, never further.
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import type { StoredObject, StoreEvent } from './store.ts';
import { storeErrors } from './errors.ts';

/** How much history is kept; an event counts with the bytes that only it keeps alive. */
export interface HistoryLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** About ten minutes of a busy cluster. */
export const defaultHistoryLimits: HistoryLimits = { maxEvents: 50_000, maxBytes: 128 * 1024 * 1024 };

const pinnedFactor = 4;
const slack = 7 / 8;
const maxPins = 10_000;
/** An event's own cost beside the bytes of its objects: key, index, records. */
const eventOverheadBytes = 512;

/** Events after `compactedRevision`, one for each revision. */
export class History {
  /** What happened after this revision is known. */
  compactedRevision: number;
  readonly #limits: HistoryLimits;
  readonly #clock: Clock;
  readonly #pins = new Map<number, number>();
  #events: StoreEvent[] = [];
  #head = 0;
  #bytes = 0;

  constructor(options: { readonly compactedRevision: number; readonly limits: HistoryLimits; readonly clock: Clock }) {
    this.compactedRevision = options.compactedRevision;
    this.#limits = options.limits;
    this.#clock = options.clock;
  }

  get length(): number {
    return this.#events.length - this.#head;
  }

  get lastRevision(): number {
    return this.compactedRevision + this.length;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
    this.#bytes += eventBytes(event);
  }

  /** Events after `revision`, oldest first. Throws Compacted, or FutureRevision. */
  *after(revision: number): IterableIterator<StoreEvent> {
    this.check(revision);
    const last = this.lastRevision;
    for (let next = revision; next < last; next++)
      yield this.#events[this.#head + next - this.compactedRevision] as StoreEvent;
  }

  /** Throws unless the store's state at `revision` is still known. */
  check(revision: number): void {
    if (revision < this.compactedRevision) {
      throw storeErrors.error(
        'Compacted',
        `revision ${revision} is no longer kept: history begins at ${this.compactedRevision}`,
      );
    }
    if (revision > this.lastRevision)
      throw storeErrors.error(
        'FutureRevision',
        `revision ${revision} is not reached: the store is at ${this.lastRevision}`,
      );
  }

  /** What each key with the prefix that has changed since was at `revision`. */
  statesAt(revision: number, prefix: string): Map<string, StoredObject | undefined> {
    const states = new Map<string, StoredObject | undefined>();
    for (const event of this.after(revision)) {
      if (event.key.startsWith(prefix) && !states.has(event.key)) states.set(event.key, event.previous);
    }
    return states;
  }

  pin(revision: number, ttlMs: number): boolean {
    if (revision < this.compactedRevision) return false;
    this.#dropExpiredPins();
    if (this.#pins.size >= maxPins && !this.#pins.has(revision)) return true;
    this.#pins.set(revision, Math.max(this.#pins.get(revision) ?? 0, this.#clock.monotonic() + ttlMs));
    return true;
  }

  /** Forgets up to `revision`, or up to the oldest pin when that is older. Answers where history begins now. */
  compact(revision: number): number {
    return this.#forget(Math.min(revision, this.#oldestPin()));
  }

  /** When above the limits, forgets an eighth at a time, so that it is seldom. Answers where history begins now. */
  trim(): number {
    if (!this.#isOver(1)) return this.compactedRevision;
    const pinned = this.#oldestPin();
    while (this.#isOver(slack) && (this.compactedRevision < pinned || this.#isOver(pinnedFactor))) this.#dropFirst();
    this.#shrink();
    return this.compactedRevision;
  }

  #isOver(factor: number): boolean {
    return (
      this.length > 0 && (this.length > this.#limits.maxEvents * factor || this.#bytes > this.#limits.maxBytes * factor)
    );
  }

  #forget(revision: number): number {
    const upTo = Math.min(revision, this.lastRevision);
    while (this.compactedRevision < upTo) this.#dropFirst();
    this.#shrink();
    return this.compactedRevision;
  }

  #dropFirst(): void {
    this.#bytes -= eventBytes(this.#events[this.#head] as StoreEvent);
    this.#events[this.#head] = undefined as unknown as StoreEvent;
    this.#head++;
    this.compactedRevision++;
  }

  #shrink(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#events.length) return;
    this.#events = this.#events.slice(this.#head);
    this.#head = 0;
  }

  #oldestPin(): number {
    this.#dropExpiredPins();
    let oldest = Infinity;
    for (const revision of this.#pins.keys()) oldest = Math.min(oldest, revision);
    return oldest;
  }

  #dropExpiredPins(): void {
    const now = this.#clock.monotonic();
    for (const [revision, expiresAt] of this.#pins) if (expiresAt <= now) this.#pins.delete(revision);
  }
}

/** Only what the event alone keeps alive counts: the previous object and a delete's last state. */
function eventBytes(event: StoreEvent): number {
  return eventOverheadBytes + (event.previous?.bytes.length ?? 0) + (event.final?.bytes.length ?? 0);
}
