/**
 * The durable store: all current objects in memory, the log in SQLite. A data directory has one owner, mode 0700; users
 * can read `store.db` with sqlite3 while it runs.
 */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { pid } from 'node:process';
import type { Context } from '@polyanthus/ground-base/context';
import { throwIfCancelled } from '@polyanthus/ground-base/context';
import { CodedError, hasCode } from '@polyanthus/ground-base/errors';
import { makeDirectory, privateDirectoryMode } from '@polyanthus/ground-files/durable';
import { lockFile, type FileLock } from '@polyanthus/ground-files/lock';
import { storeErrors } from './errors.ts';
import { SequencedStore, type StoreOptions } from './sequencer.ts';
import { openDirectory, storeFile, type Migrations } from './sqlite-directory.ts';
import { startWorkerFromSource, threadLog, type StartWorker } from './sqlite-thread.ts';
import type { Store } from './store.ts';

/** `directory` is made when missing; `startWorker` and `migrations` have defaults. */
export interface SqliteStoreOptions extends StoreOptions {
  readonly directory: string;
  readonly startWorker?: StartWorker;
  readonly migrations?: Migrations;
}

/**
 * Opens the directory, or makes it; verifies every row first, which takes about 15 microseconds for an object.
 * Throws StoreInUse (names the pid), StoreDamaged (names the file and row), StoreFormatUnknown, StoreUnavailable.
 */
export async function openSqliteStore(ctx: Context, options: SqliteStoreOptions): Promise<Store> {
  throwIfCancelled(ctx);
  const { directory } = options;
  const lock = await ownDirectory(directory);
  try {
    const content = await available(directory, () => openDirectory(directory, options.migrations));
    const log = threadLog(storeFile(directory), options.startWorker ?? startWorkerFromSource, () => lock.release());
    return new SequencedStore(log, options, content);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Makes the directory and takes it for this process until the lock is released. Throws StoreInUse, StoreUnavailable. */
export function ownDirectory(directory: string): Promise<FileLock> {
  return available(directory, async () => {
    await makeDirectory(directory, privateDirectoryMode);
    await chmod(directory, privateDirectoryMode);
    try {
      return lockFile(join(directory, 'owner.db'), pid);
    } catch (error) {
      if (!hasCode(error, 'FileLocked')) throw error;
      throw storeErrors.error('StoreInUse', `the data directory ${directory} is in use: ${(error as Error).message}`, {
        cause: error,
      });
    }
  });
}

/** What the file system says is said as StoreUnavailable; our own errors pass. */
async function available<T>(directory: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    const own = error instanceof CodedError && error.code !== 'FileNotWritten';
    if (own || typeof (error as { code?: unknown }).code !== 'string') throw error;
    throw storeErrors.error('StoreUnavailable', `the data directory ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
