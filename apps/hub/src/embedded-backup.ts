/** Backup and restore of a hub on its embedded API server: its keys and everything in its store, uids included. */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pid } from 'node:process';
import type { Context } from '@polyanthus/ground-base/context';
import { makeDirectory, syncDirectory, writeDurably } from '@polyanthus/ground-files/durable';
import { exportDirectory, importStore } from '@polyanthus/kube-server/store/backup';
import { storeErrors } from '@polyanthus/kube-server/store/errors';
import { invalid, line, openBackup, parseBackupLine, writeBackup } from './backup-file.ts';
import { dataDirectory, parseIdentity, type DataDirectory, type HubIdentity } from './data-directory.ts';

/**
 * Writes what is committed in the data directory now, whether its hub runs or not. The keys of a hub never change while
 * it runs, so that keys and objects belong together. Throws IdentityUnreadable and the errors of the store.
 */
export async function backupEmbedded(ctx: Context, root: string, path: string): Promise<{ readonly bytes: number }> {
  const directory = dataDirectory(root);
  return writeBackup(ctx, path, 'embedded', await payloadOf(ctx, directory));
}

async function payloadOf(ctx: Context, directory: DataDirectory): Promise<AsyncIterable<Uint8Array>> {
  const objects = await exportDirectory(ctx, directory.store);
  const identity = parseIdentity(directory, await readFile(directory.identity, 'utf8'));
  return joined(line({ identity }), objects);
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncIterableIterator<Uint8Array> {
  yield first;
  yield* rest;
}

/**
 * Makes the data directory `root`, which must not exist or be empty, of a backup; it appears whole or not at all. Revisions
 * go on far above the backup's. Throws BackupInvalid, StoreNotEmpty.
 */
export async function restoreEmbedded(ctx: Context, path: string, root: string): Promise<HubIdentity> {
  const backup = await openBackup(ctx, path);
  if (backup.header.hub !== 'embedded')
    throw invalid(path, 'it was taken of a hub on a Kubernetes cluster; restore it with --kubeconfig');
  await requireEmpty(root);
  const fresh = `${root}.restoring-${pid}`;
  await rm(fresh, { recursive: true, force: true });
  try {
    const directory = dataDirectory(fresh);
    await makeDirectory(directory.root);
    const lines = backup.payload(ctx);
    const first = await lines.next();
    const { identity } = (first.done === true ? {} : parseBackupLine(path, first.value)) as { identity?: unknown };
    if (identity === undefined) throw invalid(path, "it lacks the hub's keys");
    const known = parseIdentity(directory, JSON.stringify(identity));
    await importStore(ctx, { directory: directory.store, source: lines });
    await writeDurably(directory.identity, `${JSON.stringify(known)}\n`);
    await rename(fresh, root);
    await syncDirectory(dirname(root));
    return known;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

async function requireEmpty(root: string): Promise<void> {
  const found = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (found.length > 0)
    throw storeErrors.error('StoreNotEmpty', `${root} holds ${found.length} files already (${found[0]})`);
  await makeDirectory(dirname(root));
}
