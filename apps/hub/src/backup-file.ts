/**
 * A backup of a hub as one file of JSON lines: who made it, the hub's keys, its objects, and a last line with the count
 * and the SHA-256 of everything before it, so that a cut or changed file is known before anything is restored.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { productVersion } from '@polyanthus/ground-base/version';
import { privateFileMode, syncDirectory } from '@polyanthus/ground-files/durable';
import { backupLines } from '@polyanthus/kube-server/store/backup';
import { storeErrors } from '@polyanthus/kube-server/store/errors';

const format = 1;

/** What its first line says. `hub` is which kind of hub it was taken of. */
export interface BackupHeader {
  readonly polyanthus: 'hub backup';
  readonly format: typeof format;
  readonly hub: 'embedded' | 'kubernetes';
  readonly version: string;
  readonly takenAt: string;
}

/** A verified file. */
export interface OpenBackup {
  readonly header: BackupHeader;
  /** The lines after the header, each with its newline; the first is the hub's keys. */
  payload(ctx: Context): AsyncIterableIterator<Uint8Array>;
}

interface Trailer {
  readonly lines: number;
  readonly sha256: string;
}

const newline = 0x0a;

/** Writes the file (mode 0600), which appears whole or not at all. `payload` is whole lines, however they are cut. */
export async function writeBackup(
  ctx: Context,
  path: string,
  hub: BackupHeader['hub'],
  payload: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: number }> {
  const temporary = `${path}.part`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', privateFileMode);
  const hash = createHash('sha256');
  let lines = 0;
  let bytes = 0;
  const write = async (chunk: Uint8Array): Promise<void> => {
    hash.update(chunk);
    for (const byte of chunk) if (byte === newline) lines++;
    bytes += chunk.length;
    await file.writeFile(chunk);
  };
  try {
    await file.chmod(privateFileMode);
    const takenAt = new Date(ctx.clock.now()).toISOString();
    await write(
      line({ polyanthus: 'hub backup', format, hub, version: productVersion, takenAt } satisfies BackupHeader),
    );
    for await (const chunk of payload) {
      throwIfCancelled(ctx);
      await write(chunk);
    }
    await write(line({ lines, sha256: hash.copy().digest('hex') } satisfies Trailer));
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
  return { bytes };
}

/** Reads the whole file once and compares its checksum. Throws BackupInvalid, or what the file system says. */
export async function openBackup(ctx: Context, path: string): Promise<OpenBackup> {
  const hash = createHash('sha256');
  let count = 0;
  let header: BackupHeader | undefined;
  let last: Uint8Array | undefined;
  for await (const bytes of linesOf(ctx, path)) {
    header ??= headerOf(path, bytes);
    if (last !== undefined) hash.update(last);
    last = bytes;
    count++;
  }
  if (header === undefined || last === undefined) throw invalid(path, 'it is empty');
  confirm(path, last, count - 1, hash);
  return { header, payload: (inner) => payloadOf(inner, path, count) };
}

async function* payloadOf(ctx: Context, path: string, count: number): AsyncIterableIterator<Uint8Array> {
  let at = 0;
  for await (const bytes of linesOf(ctx, path)) {
    if (at > 0 && at < count - 1) yield bytes;
    at++;
  }
}

async function* linesOf(ctx: Context, path: string): AsyncIterableIterator<Uint8Array> {
  try {
    for await (const bytes of backupLines(createReadStream(path))) {
      throwIfCancelled(ctx);
      yield bytes;
    }
  } catch (error) {
    throw hasCode(error, 'BackupInvalid') ? invalid(path, describeError(error), error) : error;
  }
}

function headerOf(path: string, bytes: Uint8Array): BackupHeader {
  const header = parseBackupLine(path, bytes) as Partial<BackupHeader>;
  if (header.polyanthus !== 'hub backup') throw invalid(path, 'its first line is not the header of a backup of a hub');
  if (header.format !== format)
    throw invalid(path, `it has format ${String(header.format)}; this version reads format ${format}`);
  return header as BackupHeader;
}

function confirm(path: string, bytes: Uint8Array, lines: number, hash: Hash): void {
  const trailer = parseBackupLine(path, bytes) as Partial<Trailer>;
  if (trailer.sha256 === undefined) throw invalid(path, 'it ends before its last line');
  if (trailer.lines !== lines) throw invalid(path, `it has ${lines} lines instead of ${String(trailer.lines)}`);
  if (trailer.sha256 !== hash.digest('hex')) throw invalid(path, 'its checksum is wrong');
}

/** A line as the object that it must be. Throws BackupInvalid. */
export function parseBackupLine(path: string, bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw invalid(path, 'a line is not JSON', cause);
  }
  throw invalid(path, 'a line is not an object');
}

/** BackupInvalid for the file. */
export function invalid(path: string, reason: string, cause?: unknown): Error {
  return storeErrors.error('BackupInvalid', `${path} cannot be restored: ${reason}`, { cause });
}

/** One line of a backup. */
export function line(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
