/** A page of a range, now or at an old revision: the current objects with what has changed since put back. */
import type { History } from './history.ts';
import type { ObjectTable } from './object-table.ts';
import type { RangeResult, Store, StoredObject } from './store.ts';

interface View {
  scan(): Iterable<StoredObject>;
  /** How many objects there are from `key` (inclusive) on. */
  countFrom(key: string): number;
}

/** See Store.range. Throws Compacted or FutureRevision. */
export function rangeOf(
  objects: ObjectTable,
  history: History,
  prefix: string,
  options: NonNullable<Parameters<Store['range']>[1]>,
): RangeResult {
  const revision = options.revision ?? history.lastRevision;
  const from = options.from ?? '';
  const view =
    revision === history.lastRevision
      ? viewNow(objects, prefix, from)
      : viewAt(objects, history.statesAt(revision, prefix), prefix, from);
  const limit = options.limit ?? Infinity;
  const page: StoredObject[] = [];
  for (const object of view.scan()) {
    if (options.filter !== undefined && !options.filter(object)) continue;
    if (page.length >= limit)
      return { objects: page, revision, next: object.key, remaining: view.countFrom(object.key) };
    page.push(object);
  }
  return { objects: page, revision, remaining: 0 };
}

function viewNow(objects: ObjectTable, prefix: string, from: string): View {
  return { scan: () => objects.scan(prefix, from), countFrom: (key) => objects.count(prefix, key) };
}

/** `states` holds what was there at the revision for each key that has changed since; undefined means nothing was. */
function viewAt(
  objects: ObjectTable,
  states: ReadonlyMap<string, StoredObject | undefined>,
  prefix: string,
  from: string,
): View {
  const changed = [...states.keys()].filter((key) => key >= from).sort();
  return {
    scan: () => merge(objects.scan(prefix, from), changed, states),
    countFrom: (key) => {
      let count = objects.count(prefix, key);
      for (const other of changed) {
        if (other < key) continue;
        if (objects.get(other) !== undefined) count--;
        if (states.get(other) !== undefined) count++;
      }
      return count;
    },
  };
}

/** Both inputs are in key order; a changed key replaces the current object. */
function* merge(
  current: IterableIterator<StoredObject>,
  changed: readonly string[],
  states: ReadonlyMap<string, StoredObject | undefined>,
): IterableIterator<StoredObject> {
  let index = 0;
  for (const object of current) {
    for (; index < changed.length && (changed[index] as string) <= object.key; index++)
      yield* present(states.get(changed[index] as string));
    if (!states.has(object.key)) yield object;
  }
  for (; index < changed.length; index++) yield* present(states.get(changed[index] as string));
}

function present(object: StoredObject | undefined): StoredObject[] {
  return object === undefined ? [] : [object];
}
