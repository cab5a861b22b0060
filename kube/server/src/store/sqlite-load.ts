/** Reads a whole store file and trusts nothing: checksums of all rows, unbroken revisions, no key twice, nothing missing. */
import type { DatabaseSync } from 'node:sqlite';
import { storeErrors } from './errors.ts';
import {
  decodeIndex,
  historyCrc,
  objectCrc,
  stateCrc,
  type HistoryRow,
  type ObjectRow,
  type StateRow,
} from './sqlite-format.ts';
import type { StoreContent } from './sequencer.ts';
import type { StoredObject, StoreEvent } from './store.ts';

/** What the file holds. Throws StoreDamaged, which names the file and the row. */
export function loadStore(database: DatabaseSync, path: string): StoreContent & { readonly revision: number } {
  try {
    return new Loader(database, path).load();
  } catch (error) {
    const { errcode, message } = error as { errcode?: unknown; message?: unknown };
    if (errcode === undefined) throw error;
    throw storeErrors.error('StoreDamaged', `${path}: ${String(message)}`, { cause: error });
  }
}

class Loader {
  readonly #database: DatabaseSync;
  readonly #path: string;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  load(): StoreContent & { readonly revision: number } {
    const [check] = this.#database.prepare('PRAGMA quick_check(1)').all();
    if (check?.['quick_check'] !== 'ok') throw this.#damaged('pages', String(check?.['quick_check']));
    const state = this.#state();
    const objects = this.#objects(state);
    const events = this.#events(state, objects);
    return {
      objects: [...objects.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
      events,
      compactedRevision: state.compacted,
      revision: state.revision,
    };
  }

  #state(): StateRow {
    const rows = this.#database
      .prepare('SELECT revision, compacted, objects, crc FROM state')
      .all() as unknown as (StateRow & { crc: number })[];
    const [row] = rows;
    if (row === undefined || rows.length !== 1) throw this.#damaged('state', `${rows.length} rows instead of one`);
    if (stateCrc(row) !== row.crc) throw this.#damaged('state row 1', 'the checksum is wrong');
    return row;
  }

  #objects(state: StateRow): Map<string, StoredObject> {
    const objects = new Map<string, StoredObject>();
    const revisions = new Set<number>();
    for (const value of this.#database.prepare('SELECT * FROM objects ORDER BY create_revision').iterate()) {
      const row = value as unknown as ObjectRow;
      const where = `objects row ${row.create_revision} (${row.key})`;
      if (objectCrc(row) !== row.crc) throw this.#damaged(where, 'the checksum is wrong');
      if (row.revision > state.revision || row.create_revision > row.revision)
        throw this.#damaged(where, `revision ${row.revision} cannot be`);
      if (objects.has(row.key)) throw this.#damaged(where, 'the key is there twice');
      if (revisions.has(row.revision)) throw this.#damaged(where, `revision ${row.revision} is there twice`);
      revisions.add(row.revision);
      objects.set(row.key, objectOf(row));
    }
    if (objects.size !== state.objects)
      throw this.#damaged('objects', `${objects.size} rows instead of ${state.objects}`);
    return objects;
  }

  /** From the newest back: what an event made is what the next one of its key found, or what is there now. */
  #events(state: StateRow, objects: ReadonlyMap<string, StoredObject>): StoreEvent[] {
    const later = new Map<string, StoredObject | undefined>();
    const events: StoreEvent[] = [];
    let expected = state.revision;
    for (const value of this.#database.prepare('SELECT * FROM history ORDER BY revision DESC').iterate()) {
      const row = value as unknown as HistoryRow;
      const where = `history row ${row.revision} (${row.key})`;
      if (row.revision !== expected) throw this.#damaged(where, `revision ${expected} was expected`);
      const object = later.has(row.key) ? later.get(row.key) : objects.get(row.key);
      const event = this.#event(row, object, where);
      later.set(row.key, event.previous);
      events.push(event);
      expected--;
    }
    if (expected !== state.compacted)
      throw this.#damaged('history', `it ends at revision ${expected + 1}, not ${state.compacted + 1}`);
    return events.reverse();
  }

  #event(row: HistoryRow, object: StoredObject | undefined, where: string): StoreEvent {
    const { revision, key, final } = row;
    if (historyCrc({ revision, key, final, createRevision: row.previous_create_revision }) !== row.crc)
      throw this.#damaged(where, 'the checksum is wrong');
    const previous = this.#previous(row, where);
    const isDelete = final !== null || object === undefined;
    if (isDelete ? object !== undefined || previous === undefined : object.revision !== revision)
      throw this.#damaged(where, `it does not lead to what is there at revision ${object?.revision ?? 'of no object'}`);
    return {
      revision,
      key,
      object,
      previous,
      ...(final === null || previous === undefined ? {} : { final: { ...previous, revision, bytes: final } }),
    };
  }

  #previous(row: HistoryRow, where: string): StoredObject | undefined {
    const {
      previous_create_revision: create_revision,
      previous_revision: revision,
      previous_idx: idx,
      previous_bytes: bytes,
    } = row;
    if (create_revision === null) return undefined;
    if (revision === null || idx === null || bytes === null) throw this.#damaged(where, 'columns are missing');
    const previous = { create_revision, revision, key: row.key, idx, bytes };
    if (objectCrc(previous) !== row.previous_crc)
      throw this.#damaged(where, 'the checksum of the previous object is wrong');
    return objectOf({ ...previous, crc: 0 });
  }

  #damaged(where: string, reason: string): Error {
    return storeErrors.error('StoreDamaged', `${this.#path}: ${where}: ${reason}`);
  }
}

function objectOf(row: ObjectRow): StoredObject {
  return {
    key: row.key,
    revision: row.revision,
    createRevision: row.create_revision,
    bytes: row.bytes,
    index: decodeIndex(row.idx),
  };
}
