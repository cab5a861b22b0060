/**
 * An exclusive lock that ends with its holder. Node offers no flock, so it is a transaction held open on a small SQLite
 * file: the kernel drops it when the process dies, and others can read from the file who holds it. Never open the file
 * with `fs` in the holder's process: closing it would drop the lock (POSIX).
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { filesErrors } from './errors.ts';
import { privateFileMode } from './durable.ts';

/** A lock that is held. */
export interface FileLock {
  release(): void;
}

const tries = 5;

/** Takes the lock, or throws FileLocked, which names the pid of the holder. `pid` is written into the file. */
export function lockFile(path: string, pid: number): FileLock {
  closeSync(openSync(path, 'a', privateFileMode));
  const database = new DatabaseSync(path);
  try {
    hold(database, path, pid);
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}

/** Between the commit of the pid and the held transaction another may come first: then its pid stands there. */
function hold(database: DatabaseSync, path: string, pid: number): void {
  for (let attempt = 0; attempt < tries; attempt++) {
    begin(database, path);
    if (holderOf(database) === pid) return;
    database.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL); DELETE FROM holder');
    database.prepare('INSERT INTO holder (pid) VALUES (?)').run(pid);
    database.exec('COMMIT');
  }
  throw filesErrors.error('FileLocked', `${path} changes hands too fast to be locked`);
}

function begin(database: DatabaseSync, path: string): void {
  try {
    database.exec('BEGIN IMMEDIATE');
  } catch (error) {
    if ((error as { errcode?: unknown }).errcode !== busy) throw error;
    const pid = holderOf(database);
    throw filesErrors.error(
      'FileLocked',
      `${path} is held by ${pid === undefined ? 'another process' : `process ${pid}`}`,
      { cause: error },
    );
  }
}

/** SQLITE_BUSY. */
const busy = 5;

function holderOf(database: DatabaseSync): number | undefined {
  try {
    const row = database.prepare('SELECT pid FROM holder').get();
    return typeof row?.['pid'] === 'number' ? row['pid'] : undefined;
  } catch {
    return undefined;
  }
}
