/** Who wants to hear of which prefix. A watcher of one resource costs nothing to events of the others. */
import type { StoreEvent } from './store.ts';
import { bucketName } from './object-table.ts';

interface Watcher {
  readonly prefix: string;
  readonly deliver: (event: StoreEvent) => void;
  /** Guards against a second delivery when a watch is opened from inside a delivery. */
  seen: number;
  closed: boolean;
}

/** All open watches of a store. */
export class Watchers {
  readonly #broad = new Set<Watcher>();
  readonly #byBucket = new Map<string, Set<Watcher>>();

  /** Delivers `backlog` first, then every event published from now on. */
  add(
    prefix: string,
    revision: number,
    backlog: Iterable<StoreEvent>,
    deliver: (event: StoreEvent) => void,
  ): { close(): void } {
    const watcher: Watcher = { prefix, deliver, seen: revision, closed: false };
    const bucket = bucketName(prefix);
    const set = bucket === undefined ? this.#broad : (this.#byBucket.get(bucket) ?? new Set<Watcher>());
    if (bucket !== undefined) this.#byBucket.set(bucket, set);
    set.add(watcher);
    for (const event of backlog) tell(watcher, event);
    return {
      close: () => {
        watcher.closed = true;
        set.delete(watcher);
        if (bucket !== undefined && set.size === 0 && this.#byBucket.get(bucket) === set) this.#byBucket.delete(bucket);
      },
    };
  }

  publish(event: StoreEvent): void {
    const bucket = bucketName(event.key);
    if (bucket !== undefined) for (const watcher of this.#byBucket.get(bucket) ?? []) tell(watcher, event);
    for (const watcher of this.#broad) tell(watcher, event);
  }

  clear(): void {
    this.#broad.clear();
    this.#byBucket.clear();
  }
}

/** A receiver that throws is a defect of ours: it hears no more, the others go on, and the error surfaces uncaught. */
function tell(watcher: Watcher, event: StoreEvent): void {
  if (watcher.closed || event.revision <= watcher.seen || !event.key.startsWith(watcher.prefix)) return;
  watcher.seen = event.revision;
  try {
    watcher.deliver(event);
  } catch (error) {
    watcher.closed = true;
    queueMicrotask(() => {
      throw error;
    });
  }
}
