/** The data directory: creating its file durably, moving an older format on, verifying before anything is served. */
import { constants, copyFile, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { privateFileMode, syncDirectory, syncFile } from '@polyanthus/ground-files/durable';
import { storeErrors } from './errors.ts';
import type { StoreContent } from './sequencer.ts';
import { openDatabase } from './sqlite-file.ts';
import {
  applicationId,
  formatVersion,
  objectCrc,
  encodeIndex,
  schema,
  stateCrc,
  type StateRow,
} from './sqlite-format.ts';
import { loadStore } from './sqlite-load.ts';
import { checkWal } from './sqlite-wal.ts';
import type { StoredObject } from './store.ts';

/** The whole store; beside it, while it is open, its write-ahead log (`-wal`) and the index of that (`-shm`). */
export function storeFile(directory: string): string {
  return join(directory, 'store.db');
}

/** Leads a file of format `from` to `from + 1`, inside a transaction. */
export type Migrations = ReadonlyMap<number, (database: DatabaseSync) => void>;

/** The owner may be moving its log into the file. */
const readBusyMs = 5000;

/** None yet: format 1 is the first. */
export const migrations: Migrations = new Map();

/**
 * Verifies the file and reads all of it; makes an empty one when there is none.
 * Throws StoreDamaged, StoreFormatUnknown.
 */
export async function openDirectory(directory: string, known: Migrations = migrations): Promise<StoreContent> {
  const path = storeFile(directory);
  if (!(await exists(path))) {
    // A log without its file: the file was lost, not never there.
    if (await exists(`${path}-wal`))
      throw storeErrors.error('StoreDamaged', `${path} is missing, but its log ${path}-wal is there`);
    await createFile(directory, { objects: [], revision: 0 });
  }
  await checkWal(`${path}-wal`);
  await checkFormat(path, known);
  const database = guarded(path, () => openDatabase(path));
  try {
    return loadStore(database, path);
  } finally {
    database.close();
  }
}

/**
 * What is committed in a directory that another process may own, verified; nothing is changed in it and no format is moved
 * on. Throws StoreUnavailable, StoreDamaged, StoreFormatUnknown.
 */
export async function readDirectory(directory: string): Promise<StoreContent & { readonly revision: number }> {
  const path = storeFile(directory);
  if (!(await exists(path))) throw storeErrors.error('StoreUnavailable', `there is no store at ${path}`);
  const found = guarded(path, () => formatOf(path));
  if (found.application !== applicationId) throw notAStore(path, found.application);
  if (found.version !== formatVersion) throw formatUnknown(path, found.version);
  const database = guarded(path, () => new DatabaseSync(path, { timeout: readBusyMs }));
  try {
    // One transaction, so that commits of the owner do not come in between.
    guarded(path, () => database.exec('PRAGMA query_only = ON; BEGIN'));
    return loadStore(database, path);
  } finally {
    database.close();
  }
}

/** Makes a file with these objects and no history; it appears whole or not at all. */
export async function createFile(
  directory: string,
  content: {
    readonly objects: Iterable<StoredObject> | AsyncIterable<StoredObject>;
    readonly revision: number | (() => number);
  },
): Promise<void> {
  const temporary = join(directory, 'store.db.new');
  for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(temporary + suffix, { force: true });
  await (await open(temporary, 'wx', privateFileMode)).close();
  const database = new DatabaseSync(temporary);
  try {
    // Nothing reads it before it has its name; it is synced whole below.
    database.exec(
      `PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}; BEGIN`,
    );
    database.exec(schema);
    const objects = await insertAll(database, content.objects);
    const revision = typeof content.revision === 'number' ? content.revision : content.revision();
    const state: StateRow = { revision, compacted: revision, objects };
    database
      .prepare('INSERT INTO state (id, revision, compacted, objects, crc) VALUES (1, ?, ?, ?, ?)')
      .run(revision, revision, objects, stateCrc(state));
    database.exec('COMMIT');
  } catch (error) {
    database.close();
    await rm(temporary, { force: true });
    throw error;
  }
  database.close();
  await syncFile(temporary);
  await rename(temporary, storeFile(directory));
  await syncDirectory(directory);
}

async function insertAll(
  database: DatabaseSync,
  objects: Iterable<StoredObject> | AsyncIterable<StoredObject>,
): Promise<number> {
  const insert = database.prepare(
    'INSERT INTO objects (create_revision, revision, key, idx, bytes, crc) VALUES (?, ?, ?, ?, ?, ?)',
  );
  let count = 0;
  for await (const { createRevision, revision, key, bytes, index } of objects) {
    const row = { create_revision: createRevision, revision, key, idx: encodeIndex(index), bytes };
    insert.run(createRevision, revision, key, row.idx, bytes, objectCrc(row));
    count++;
  }
  return count;
}

async function checkFormat(path: string, known: Migrations): Promise<void> {
  const found = guarded(path, () => formatOf(path));
  if (found.application !== applicationId) throw notAStore(path, found.application);
  if (found.version === formatVersion) return;
  for (let from = found.version; from < formatVersion; from++) {
    if (!known.has(from)) throw formatUnknown(path, found.version);
  }
  if (found.version > formatVersion) throw formatUnknown(path, found.version);
  await migrate(path, found.version, known);
}

function notAStore(path: string, application: number): Error {
  return storeErrors.error('StoreDamaged', `${path}: it is not a store (its application id is ${application})`);
}

function formatUnknown(path: string, version: number): Error {
  return storeErrors.error(
    'StoreFormatUnknown',
    `${path} has format ${version}; this version of the server reads format ${formatVersion}`,
  );
}

function formatOf(path: string): { application: number; version: number } {
  const database = new DatabaseSync(path);
  try {
    const read = (pragma: string): number => Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
    return { application: read('application_id'), version: read('user_version') };
  } finally {
    // The last connection moves the log into the file.
    database.close();
  }
}

/** The old file stays as `store.db.format-<version>`. */
async function migrate(path: string, from: number, known: Migrations): Promise<void> {
  const copy = `${path}.format-${from}`;
  await rm(copy, { force: true });
  await copyFile(path, copy, constants.COPYFILE_EXCL);
  await syncFile(copy);
  await syncDirectory(join(path, '..'));
  const database = openDatabase(path);
  try {
    database.exec('BEGIN IMMEDIATE');
    for (let version = from; version < formatVersion; version++) known.get(version)?.(database);
    database.exec(`PRAGMA user_version = ${formatVersion}; COMMIT`);
  } finally {
    database.close();
  }
}

/** What SQLite says of a file that it cannot read is said as ours. */
function guarded<T>(path: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    const { errcode, message } = error as { errcode?: unknown; message?: unknown };
    if (errcode === undefined) throw error;
    throw storeErrors.error('StoreDamaged', `${path}: ${String(message)}`, { cause: error });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
