/**
 * The current objects in key order: a list of short sorted runs of keys. A new key costs two binary searches and a move
 * within one run (measured: one sorted array of 60,000 keys costs 60 microseconds a key, runs about 3), a prefix scan
 * costs what it returns. Order is that of UTF-16 code units, which for Kubernetes names is byte order.
 */
import type { StoredObject } from './store.ts';

/** A run is split in two when it grows beyond this. */
const maxRun = 512;

/** Greater than any key with the prefix: names never contain U+FFFF. */
const end = '\uffff';

/** `<cluster>/<group>/<resource>/` of a key, or undefined when the text is shorter than that. */
export function bucketName(key: string): string | undefined {
  let slash = -1;
  for (let count = 0; count < 3; count++) {
    slash = key.indexOf('/', slash + 1);
    if (slash < 0) return undefined;
  }
  return key.slice(0, slash + 1);
}

/** Current objects by key and in key order. */
export class ObjectTable {
  readonly #objects = new Map<string, StoredObject>();
  /** None is empty; all keys of one are less than all keys of the next. */
  readonly #runs: string[][] = [];

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  set(object: StoredObject): void {
    if (!this.#objects.has(object.key)) this.#insert(object.key);
    this.#objects.set(object.key, object);
  }

  delete(key: string): void {
    if (!this.#objects.delete(key)) return;
    const at = this.#runOf(key);
    const run = this.#runs[at] as string[];
    run.splice(keyIndex(run, key), 1);
    if (run.length === 0) this.#runs.splice(at, 1);
  }

  /** Objects with the prefix from `from` (inclusive) on, in key order. Do not write while iterating. */
  *scan(prefix: string, from = ''): IterableIterator<StoredObject> {
    for (const { run, start, stop } of this.#spans(prefix, from)) {
      for (let index = start; index < stop; index++) yield this.#objects.get(run[index] as string) as StoredObject;
    }
  }

  /** How many `scan` would give. */
  count(prefix: string, from = ''): number {
    let total = 0;
    for (const { start, stop } of this.#spans(prefix, from)) total += stop - start;
    return total;
  }

  /** The part of each run that lies in the range. */
  *#spans(prefix: string, from: string): IterableIterator<{ run: readonly string[]; start: number; stop: number }> {
    const first = from > prefix ? from : prefix;
    const last = prefix + end;
    for (let at = this.#runOf(first); at < this.#runs.length; at++) {
      const run = this.#runs[at] as string[];
      if ((run[0] as string) >= last) return;
      const start = keyIndex(run, first);
      const stop = (run[run.length - 1] as string) < last ? run.length : keyIndex(run, last);
      if (start < stop) yield { run, start, stop };
    }
  }

  #insert(key: string): void {
    const at = this.#runOf(key);
    const run = this.#runs[at];
    if (run === undefined) {
      this.#runs.push([key]);
      return;
    }
    run.splice(keyIndex(run, key), 0, key);
    if (run.length <= maxRun) return;
    // Keys that come in order (loading, numbered names) leave full runs behind.
    const middle = run[run.length - 1] === key ? maxRun : maxRun / 2;
    this.#runs.splice(at + 1, 0, run.splice(middle));
  }

  /** The last run that begins at or before the key; the first one when none does. */
  #runOf(key: string): number {
    const after = lowerBound(this.#runs.length, (index) => ((this.#runs[index] as string[])[0] as string) <= key);
    return Math.max(0, after - 1);
  }
}

function keyIndex(keys: readonly string[], key: string): number {
  return lowerBound(keys.length, (index) => (keys[index] as string) < key);
}

/** The first index for which `isBefore` is false; it must be true up to there. */
function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
