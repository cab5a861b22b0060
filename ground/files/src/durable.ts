/** Files that are whole after a crash: temporary file, fsync, rename, fsync of the directory. */
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { filesErrors } from './errors.ts';

/** Of files that others may not read: keys, stores, journals. */
export const privateFileMode = 0o600;

/** Of directories that hold such files. */
export const privateDirectoryMode = 0o700;

/**
 * Replaces `path` by `content` (UTF-8 when text); a reader, also one after a crash, sees the old file or the new one.
 * Only one writer at a time: the temporary file has a fixed name, so that a crash leaves at most one behind.
 * Throws FileNotWritten.
 */
export async function writeDurably(path: string, content: Uint8Array | string, mode = privateFileMode): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await rm(temporary, { force: true });
    await withFile(temporary, 'wx', mode, async (file) => {
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    });
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw notWritten(path, error);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  ENOTDIR: 'a part of its path is no directory',
};

function notWritten(path: string, cause: unknown): Error {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const why = reasons[code];
  return filesErrors.error('FileNotWritten', `${path} cannot be written${why === undefined ? '' : `: ${why}`}`, {
    cause,
  });
}

/** Removes `path` for good; nothing happens when it is not there. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** Makes names that were created, renamed or removed in the directory survive a crash. */
export async function syncDirectory(path: string): Promise<void> {
  await syncFile(path, 'r');
}

/** Makes what was written to the file by anyone survive a crash; `flags` as for open. */
export async function syncFile(path: string, flags = 'r+'): Promise<void> {
  await withFile(path, flags, undefined, (file) => file.sync());
}

async function withFile(
  path: string,
  flags: string,
  mode: number | undefined,
  fn: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    await fn(file);
  } finally {
    await file.close();
  }
}

/** Makes the directory and its missing parents, each durable; an existing one keeps its mode. Throws FileNotWritten. */
export async function makeDirectory(path: string, mode = privateDirectoryMode): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeDirectory(parent, mode);
  try {
    // Not recursive: on file systems that refuse new names (/proc) Node's own recursion never ends.
    await mkdir(path, { mode });
    await syncDirectory(parent);
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && (await isDirectory(path))) return;
    throw notWritten(path, error);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
