/**
 * The store over any log: one place gives revisions and judges conflicts, also against writes still on their way. Writes
 * that arrive while a batch is being committed form the next one. Committed, then published, then acknowledged.
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import { throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { baseErrors, type CodedError } from '@polyanthus/ground-base/errors';
import { storeErrors } from './errors.ts';
import { defaultHistoryLimits, History, type HistoryLimits } from './history.ts';
import { ObjectTable } from './object-table.ts';
import { rangeOf } from './range.ts';
import type { RangeResult, Store, StoredObject, StoreEvent, Write, WriteResult } from './store.ts';
import { Watchers } from './watchers.ts';

/** Where batches become durable. */
export interface StoreLog {
  /** Resolves once all of `events` are durable; when it rejects none of them may be taken as durable. */
  commit(events: readonly StoreEvent[]): Promise<void>;
  /** History up to `revision` may be removed from now on; need not be durable when it resolves. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

/** What one commit may hold, and how much may wait for the next. */
export interface BatchLimits {
  readonly maxWrites: number;
  readonly maxBytes: number;
  /** Writes that may wait behind the batch being committed; more are refused with QueueFull. */
  readonly maxWaiting: number;
}

/** A batch of small objects that commits in about 20 ms. */
export const defaultBatchLimits: BatchLimits = { maxWrites: 1024, maxBytes: 8 * 1024 * 1024, maxWaiting: 20_000 };

/** What every store can be told; `clock` (monotonic) only ends pins. */
export interface StoreOptions {
  readonly clock: Clock;
  readonly history?: HistoryLimits;
  readonly batch?: BatchLimits;
}

/** What a store starts from. `events` are the history after `compactedRevision`, up to `revision`. */
export interface StoreContent {
  /** An ObjectTable is shared, not copied. */
  readonly objects: Iterable<StoredObject>;
  readonly events: Iterable<StoreEvent>;
  readonly compactedRevision: number;
}

/** Of a store that nothing was written to. */
export const emptyContent: StoreContent = { objects: [], events: [], compactedRevision: 0 };

interface PendingWrite {
  readonly event: StoreEvent;
  readonly bytes: number;
  readonly result: WriteResult & { readonly ok: true };
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** See the head of this file; made by createMemoryStore and openSqliteStore. */
export class SequencedStore implements Store {
  readonly #log: StoreLog;
  readonly #batch: BatchLimits;
  readonly #objects: ObjectTable;
  readonly #history: History;
  readonly #watchers = new Watchers();
  /** The last write on its way of each key. */
  readonly #pending = new Map<string, PendingWrite>();
  #waiting: PendingWrite[] = [];
  #flushing: Promise<void> | undefined;
  #committed: number;
  #sequenced: number;
  #failure: CodedError | undefined;
  #closed = false;

  constructor(log: StoreLog, options: StoreOptions, content: StoreContent) {
    this.#log = log;
    this.#batch = options.batch ?? defaultBatchLimits;
    this.#history = new History({
      compactedRevision: content.compactedRevision,
      limits: options.history ?? defaultHistoryLimits,
      clock: options.clock,
    });
    if (content.objects instanceof ObjectTable) this.#objects = content.objects.fork();
    else {
      this.#objects = new ObjectTable();
      for (const object of content.objects) this.#objects.set(object);
    }
    for (const event of content.events) this.#history.append(event);
    this.#committed = this.#history.lastRevision;
    this.#sequenced = this.#committed;
  }

  get revision(): number {
    return this.#committed;
  }

  get compactedRevision(): number {
    return this.#history.compactedRevision;
  }

  get writable(): boolean {
    return this.#failure === undefined && !this.#closed;
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  range(prefix: string, options: Parameters<Store['range']>[1] = {}): RangeResult {
    return rangeOf(this.#objects, this.#history, prefix, options);
  }

  /** What is committed now, shared until one of both writes. */
  objects(): ObjectTable {
    return this.#objects.fork();
  }

  count(prefix: string): number {
    return this.#objects.count(prefix);
  }

  async write(ctx: Context, write: Write): Promise<WriteResult> {
    throwIfCancelled(ctx);
    this.#throwIfNotWritable();
    const before = this.#pending.get(write.key);
    const current = before === undefined ? this.#objects.get(write.key) : before.event.object;
    if ((current?.revision ?? 0) !== write.expected || (write.kind === 'delete' && current === undefined)) {
      // What the write lost against may still fail: it is told only once that is durable.
      if (before !== undefined) await before.done;
      return { ok: false, current };
    }
    const pending = this.#sequence(write, current);
    // Not abandoned on cancellation: a write that has a revision happens, and its outcome is soon known.
    await pending.done;
    return pending.result;
  }

  watch(prefix: string, afterRevision: number, deliver: (event: StoreEvent) => void): { close(): void } {
    if (this.#closed) throw storeErrors.error('StoreClosed', 'the store is closed');
    this.#history.check(afterRevision);
    return this.#watchers.add(prefix, afterRevision, this.#history.after(afterRevision), deliver);
  }

  async compact(ctx: Context, revision: number): Promise<void> {
    throwIfCancelled(ctx);
    this.#throwIfNotWritable();
    if (revision > this.#committed)
      throw storeErrors.error(
        'FutureRevision',
        `revision ${revision} is not reached: the store is at ${this.#committed}`,
      );
    await this.#log.compact(this.#history.compact(revision));
  }

  pin(revision: number, ttlMs: number): boolean {
    return this.#history.pin(revision, ttlMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    this.#watchers.clear();
    await this.#log.close();
  }

  #throwIfNotWritable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw storeErrors.error('StoreClosed', 'the store is closed');
    if (this.#waiting.length >= this.#batch.maxWaiting)
      throw baseErrors.error('QueueFull', `${this.#waiting.length} writes already wait for the data directory`);
  }

  /** Gives the write its revision and puts it in the queue. A failing `encode` uses no revision. */
  #sequence(write: Write, current: StoredObject | undefined): PendingWrite {
    const revision = this.#sequenced + 1;
    const event = eventOf(write, current, revision);
    this.#sequenced = revision;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    // The writer waits for it too; this only says so to the runtime before it does.
    done.catch(() => undefined);
    const pending: PendingWrite = {
      event,
      bytes: (event.object ?? event.final)?.bytes.length ?? 0,
      result: { ok: true, revision, object: event.object ?? event.final, previous: current },
      done,
      resolve,
      reject,
    };
    this.#pending.set(write.key, pending);
    this.#waiting.push(pending);
    this.#flushing ??= this.#flush();
    return pending;
  }

  async #flush(): Promise<void> {
    // What is written in the same turn joins the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#log.commit(batch.map((pending) => pending.event));
      } catch (error) {
        this.#fail(batch, error);
        break;
      }
      for (const pending of batch) this.#publish(pending);
      for (const pending of batch) pending.resolve();
      this.#trim();
    }
    this.#flushing = undefined;
  }

  #takeBatch(): PendingWrite[] {
    let count = 0;
    let bytes = 0;
    for (const pending of this.#waiting) {
      if (count > 0 && (count >= this.#batch.maxWrites || bytes + pending.bytes > this.#batch.maxBytes)) break;
      count++;
      bytes += pending.bytes;
    }
    return this.#waiting.splice(0, count);
  }

  #publish(pending: PendingWrite): void {
    const { event } = pending;
    if (event.object === undefined) this.#objects.delete(event.key);
    else this.#objects.set(event.object);
    if (this.#pending.get(event.key) === pending) this.#pending.delete(event.key);
    this.#history.append(event);
    this.#committed = event.revision;
    this.#watchers.publish(event);
  }

  #trim(): void {
    const before = this.#history.compactedRevision;
    const after = this.#history.trim();
    if (after !== before) this.#log.compact(after).catch((error: unknown) => this.#fail([], error));
  }

  /** Nothing that waits can be kept: it was judged against writes that are not durable. */
  #fail(batch: readonly PendingWrite[], cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= storeErrors.error(
      'StoreReadOnly',
      `a commit failed (${reason}); writes are refused until a restart`,
      { cause },
    );
    for (const pending of [...batch, ...this.#waiting]) pending.reject(this.#failure);
    this.#waiting = [];
    this.#pending.clear();
    this.#sequenced = this.#committed;
  }
}

function eventOf(write: Write, previous: StoredObject | undefined, revision: number): StoreEvent {
  const { key } = write;
  if (write.kind === 'put') {
    const createRevision = previous?.createRevision ?? revision;
    return {
      revision,
      key,
      previous,
      object: { key, revision, createRevision, bytes: write.encode(revision), index: write.index },
    };
  }
  if (write.encode === undefined || previous === undefined) return { revision, key, previous, object: undefined };
  return {
    revision,
    key,
    previous,
    object: undefined,
    final: { ...previous, revision, bytes: write.encode(revision) },
  };
}
