/**
 * The work queue of a controller (client-go util/workqueue): a key is in it at most once, is worked on by at most one
 * worker, and what comes while it is being worked on is done again afterwards.
 */
import type { Clock, Timer } from '@polyanthus/ground-base/clock';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { baseErrors } from '@polyanthus/ground-base/errors';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { queueMetrics, type QueueMetrics } from './queue-metrics.ts';

/** Bounds and rates of a queue; the defaults are client-go's. */
export interface QueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly metrics?: MetricsRegistry;
  /** Delay of a key's first retry and its upper bound; 5 ms doubling to 1,000 s, as client-go. */
  readonly retryInitialMs?: number;
  readonly retryMaxMs?: number;
  /** Over all keys: retries a second on average and in a burst; 10 and 100, as client-go. */
  readonly retriesPerSecond?: number;
  readonly retryBurst?: number;
  /** Keys at most, waiting and delayed together; one more is QueueFull. 1,000,000. */
  readonly sizeMax?: number;
}

interface Delayed {
  readonly atMs: number;
  readonly timer: Timer;
}

/** Rate-limited, deduplicating, delaying. All times by the clock that was passed in. */
export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #clock: Clock;
  readonly #metrics: QueueMetrics;
  /** Keys to be worked on, in order; a Map keeps insertion order and gives when it was added. */
  readonly #ready = new Map<string, number>();
  readonly #processing = new Map<string, number>();
  /** Added again while being processed. */
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #waiters = new Set<() => void>();
  /** Time from which the next rate-limited add may run, for the bucket over all keys. */
  #bucketMs: number;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#metrics = queueMetrics(options.metrics ?? new MetricsRegistry(), options.name);
    this.#bucketMs = -Infinity;
  }

  /** Keys that wait for a worker. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Keys that wait for their time. */
  get delayedCount(): number {
    return this.#delayed.size;
  }

  get idle(): boolean {
    return this.#ready.size === 0 && this.#processing.size === 0;
  }

  add(key: string): void {
    if (this.#closed) return;
    this.#cancelDelay(key);
    if (this.#processing.has(key)) {
      if (!this.#dirty.has(key)) this.#metrics.added();
      this.#dirty.add(key);
      return;
    }
    if (this.#ready.has(key)) return;
    this.#bound();
    this.#metrics.added();
    this.#push(key);
  }

  /** Adds after `delayMs`; of several delays of one key the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const atMs = this.#clock.monotonic() + delayMs;
    const known = this.#delayed.get(key);
    if (known !== undefined && known.atMs <= atMs) return;
    if (known === undefined) this.#bound();
    known?.timer.cancel();
    const timer = this.#clock.after(delayMs, () => this.add(key), { unref: true });
    this.#delayed.set(key, { atMs, timer });
  }

  /** Adds after the key's own exponential delay, or later when the bucket over all keys says so. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#metrics.retried();
    const { retryInitialMs = 5, retryMaxMs = 1_000_000 } = this.#options;
    const ownMs = Math.min(retryMaxMs, retryInitialMs * 2 ** Math.min(failures, 60));
    this.addAfter(key, Math.max(ownMs, this.#bucketDelayMs()));
  }

  /** Ends the key's exponential delay: call it after success. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often the key was rate-limited since the last `forget`. */
  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, which is then being processed until `done`; undefined once closed. Throws when cancelled. */
  async take(ctx: Context): Promise<string | undefined> {
    for (;;) {
      const first = this.#ready.entries().next();
      if (first.done !== true) {
        const [key, addedMs] = first.value;
        const nowMs = this.#clock.monotonic();
        this.#ready.delete(key);
        this.#processing.set(key, nowMs);
        this.#metrics.taken(this.#ready.size, nowMs - addedMs);
        return key;
      }
      if (this.#closed) return undefined;
      await this.#wait(ctx);
    }
  }

  /** The key's work has ended, well or not. */
  done(key: string): void {
    const startedMs = this.#processing.get(key);
    if (startedMs === undefined) return;
    this.#processing.delete(key);
    this.#metrics.worked(this.#clock.monotonic() - startedMs);
    if (this.#dirty.delete(key) && !this.#closed) this.#push(key);
  }

  /** Takes no more keys, forgets those that wait, wakes the workers. */
  close(): void {
    this.#closed = true;
    for (const delayed of this.#delayed.values()) delayed.timer.cancel();
    this.#delayed.clear();
    this.#ready.clear();
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #push(key: string): void {
    this.#ready.set(key, this.#clock.monotonic());
    this.#metrics.depth(this.#ready.size);
    this.#wakeOne();
  }

  async #wait(ctx: Context): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    try {
      await untilAborted(ctx, promise);
    } catch (error) {
      // Woken and cancelled at once: the key is for somebody else.
      if (!this.#waiters.delete(resolve) && this.#ready.size > 0) this.#wakeOne();
      throw error;
    }
  }

  #wakeOne(): void {
    for (const wake of this.#waiters) {
      this.#waiters.delete(wake);
      wake();
      return;
    }
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }

  #bound(): void {
    const sizeMax = this.#options.sizeMax ?? 1_000_000;
    if (this.#ready.size + this.#delayed.size >= sizeMax) {
      throw baseErrors.error('QueueFull', `the work queue "${this.#options.name}" holds ${sizeMax} keys`);
    }
  }

  /** A token bucket as its virtual schedule: each retry takes one slot; a burst may run ahead of time. */
  #bucketDelayMs(): number {
    const { retriesPerSecond = 10, retryBurst = 100 } = this.#options;
    const slotMs = 1000 / retriesPerSecond;
    const nowMs = this.#clock.monotonic();
    this.#bucketMs = Math.max(this.#bucketMs, nowMs - retryBurst * slotMs) + slotMs;
    return Math.max(0, this.#bucketMs - nowMs);
  }
}
