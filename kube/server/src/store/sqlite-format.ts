/**
 * The file that users can open with sqlite3. `objects` holds what is there now, under the revision of its creation, which
 * is unique and grows, so that rows are appended. `history` undoes: each row is one revision with what was there before
 * it (copied from `objects` with its checksum), so a create costs one copy of the object and not two. Every row has a
 * CRC32, because SQLite sums no pages.
 */
import { crc32 } from 'node:zlib';
import type { ObjectIndex } from './store.ts';

/** "Plyt": tells our files from other SQLite files. */
export const applicationId = 0x506c7974;

/** Counts up with every change of the tables below; `migrations` leads from each older one to the next. */
export const formatVersion = 1;

/** The tables of `formatVersion`. */
export const schema = `
CREATE TABLE objects (
  create_revision INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  key TEXT NOT NULL,
  idx TEXT NOT NULL,
  bytes BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE history (
  revision INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  final BLOB,
  crc INTEGER NOT NULL,
  previous_create_revision INTEGER,
  previous_revision INTEGER,
  previous_idx TEXT,
  previous_bytes BLOB,
  previous_crc INTEGER
) STRICT;
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL,
  compacted INTEGER NOT NULL,
  objects INTEGER NOT NULL,
  crc INTEGER NOT NULL
) STRICT;`;

/** A row of `objects`. */
export interface ObjectRow {
  readonly create_revision: number;
  readonly revision: number;
  readonly key: string;
  readonly idx: string;
  readonly bytes: Uint8Array;
  readonly crc: number;
}

/** A row of `history`; `final` is the last state of a deleted object, `previous_…` is null for a create. */
export interface HistoryRow {
  readonly revision: number;
  readonly key: string;
  readonly final: Uint8Array | null;
  readonly crc: number;
  readonly previous_create_revision: number | null;
  readonly previous_revision: number | null;
  readonly previous_idx: string | null;
  readonly previous_bytes: Uint8Array | null;
  readonly previous_crc: number | null;
}

/** The one row of `state`. */
export interface StateRow {
  /** The last committed revision. */
  readonly revision: number;
  /** History begins after it. */
  readonly compacted: number;
  /** How many rows `objects` has. */
  readonly objects: number;
}

/** CRC32 over all columns of an object. */
export function objectCrc(row: Omit<ObjectRow, 'crc'>): number {
  return crc32(row.bytes, crc32(`${row.create_revision}\0${row.revision}\0${row.key}\0${row.idx}\0`));
}

/** Of the row's own columns; the copied ones carry the checksum that they had. */
export function historyCrc(row: {
  readonly revision: number;
  readonly key: string;
  readonly final: Uint8Array | null;
  readonly createRevision: number | null;
}): number {
  const head = crc32(
    `${row.revision}\0${row.key}\0${row.createRevision ?? ''}\0${row.final === null ? '' : row.final.length}\0`,
  );
  return row.final === null ? head : crc32(row.final, head);
}

/** CRC32 over the state. */
export function stateCrc(row: StateRow): number {
  return crc32(`${row.revision}\0${row.compacted}\0${row.objects}\0`);
}

/** The `idx` column of an index. */
export function encodeIndex(index: ObjectIndex): string {
  return JSON.stringify(index);
}

/** The index of an `idx` column whose checksum was right. */
export function decodeIndex(text: string): ObjectIndex {
  return JSON.parse(text) as ObjectIndex;
}
