/**
 * A backup is a stream of lines: a header with the revision, one JSON line per object in key order, and a last line with
 * the count and the CRC32 of everything before it, so that a cut or changed backup is never restored.
 */
import { stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { storeErrors } from './errors.ts';
import { createFile, readDirectory, storeFile } from './sqlite-directory.ts';
import { ownDirectory } from './sqlite.ts';
import type { ObjectIndex, Store, StoredObject } from './store.ts';

const backupFormat = 1;
const pageObjects = 500;
/** How long a page may take to be written before history moves on; each page renews it. */
const pageTtlMs = 10 * 60_000;
const maxLineBytes = 16 * 1024 * 1024;

/**
 * How far a restored store's revision lies above the backup's: more than was ever written after the backup, so that no
 * revision is given twice and every client with an older one has to list again.
 */
export const defaultRaiseBy = 1_000_000_000;

interface Header {
  readonly store: 'polyanthus';
  readonly format: number;
  readonly revision: number;
}

interface ObjectLine extends Omit<StoredObject, 'bytes'> {
  readonly base64: string;
}

interface Trailer {
  readonly objects: number;
  readonly crc: number;
}

/** All objects as they are now, whatever is written meanwhile. Throws Compacted when the reader is far too slow. */
export function exportStore(ctx: Context, store: Store): AsyncIterableIterator<Uint8Array> {
  const { revision } = store;
  return exportLines(ctx, revision, pagedObjects(store, revision));
}

/**
 * The same of a data directory, whether its owner runs or not: what was committed when it began. Reads all of it into
 * memory. Throws StoreUnavailable, StoreDamaged, StoreFormatUnknown.
 * @public
 */
export async function exportDirectory(ctx: Context, directory: string): Promise<AsyncIterableIterator<Uint8Array>> {
  const { revision, objects } = await readDirectory(directory);
  return exportLines(ctx, revision, objects);
}

function* pagedObjects(store: Store, revision: number): IterableIterator<StoredObject> {
  for (let from: string | undefined = ''; from !== undefined;) {
    store.pin(revision, pageTtlMs);
    const page = store.range('', { from, limit: pageObjects, revision });
    yield* page.objects;
    from = page.next;
  }
}

async function* exportLines(
  ctx: Context,
  revision: number,
  all: Iterable<StoredObject>,
): AsyncIterableIterator<Uint8Array> {
  let crc = 0;
  let objects = 0;
  const line = (value: Header | ObjectLine | Trailer): Uint8Array => {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    crc = crc32(bytes, crc);
    return bytes;
  };
  yield line({ store: 'polyanthus', format: backupFormat, revision });
  for (const { bytes, ...rest } of all) {
    throwIfCancelled(ctx);
    yield line({ ...rest, base64: Buffer.from(bytes).toString('base64') });
    objects++;
  }
  yield line({ objects, crc });
}

/**
 * Makes a store of a backup in `directory`, which must not hold one. Objects keep their revisions; the store's own is
 * raised by `raiseBy` and history before it counts as compacted. Throws BackupInvalid, StoreNotEmpty, StoreInUse.
 */
export async function importStore(
  ctx: Context,
  options: { readonly directory: string; readonly source: AsyncIterable<Uint8Array>; readonly raiseBy?: number },
): Promise<void> {
  const { directory, source, raiseBy = defaultRaiseBy } = options;
  const lock = await ownDirectory(directory);
  try {
    await throwIfNotEmpty(directory);
    const backup = new BackupReader(ctx, source);
    await createFile(directory, { objects: backup.objects(), revision: () => backup.revision + raiseBy });
  } finally {
    lock.release();
  }
}

async function throwIfNotEmpty(directory: string): Promise<void> {
  const found = await stat(storeFile(directory)).catch(() => undefined);
  if (found !== undefined) throw storeErrors.error('StoreNotEmpty', `${storeFile(directory)} is there already`);
}

class BackupReader {
  revision = 0;
  readonly #ctx: Context;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(ctx: Context, source: AsyncIterable<Uint8Array>) {
    this.#ctx = ctx;
    this.#source = source;
  }

  /** Ends only after the last line has confirmed all others. */
  async *objects(): AsyncIterableIterator<StoredObject> {
    let crc = 0;
    let count = -1;
    let trailer: Trailer | undefined;
    for await (const bytes of backupLines(this.#source)) {
      throwIfCancelled(this.#ctx);
      if (trailer !== undefined) throw invalid('there is more after its last line');
      const value = parse(bytes);
      if (count < 0) this.revision = headerRevision(value);
      else if ('crc' in value) trailer = confirm(value as Trailer, count, crc);
      else yield objectOf(value as ObjectLine, this.revision);
      crc = crc32(bytes, crc);
      count++;
    }
    if (trailer === undefined) throw invalid('it ends before its last line');
  }
}

function confirm(trailer: Trailer, count: number, crc: number): Trailer {
  if (trailer.objects !== count) throw invalid(`it has ${count} objects instead of ${trailer.objects}`);
  if (trailer.crc !== crc) throw invalid('its checksum is wrong');
  return trailer;
}

function headerRevision(value: object): number {
  const header = value as Partial<Header>;
  if (header.store !== 'polyanthus' || typeof header.revision !== 'number')
    throw invalid('its first line is not the header of a backup');
  if (header.format !== backupFormat)
    throw invalid(`it has format ${header.format}; this version reads format ${backupFormat}`);
  return header.revision;
}

function objectOf(line: ObjectLine, newest: number): StoredObject {
  const { key, revision, createRevision, index, base64 } = line;
  if (typeof key !== 'string' || typeof base64 !== 'string' || !(revision <= newest) || !(createRevision <= revision))
    throw invalid(`the object ${key} is not whole`);
  return { key, revision, createRevision, index: index as ObjectIndex, bytes: Buffer.from(base64, 'base64') };
}

function parse(line: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(line).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw invalid('a line is not JSON', error);
  }
  throw invalid('a line is not an object');
}

function invalid(reason: string, cause?: unknown): Error {
  return storeErrors.error('BackupInvalid', `the backup cannot be used: ${reason}`, { cause });
}

/** Lines with their newline, however the stream is cut; 16 MiB each at most. Throws BackupInvalid. */
export async function* backupLines(source: AsyncIterable<Uint8Array>): AsyncIterableIterator<Uint8Array> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let stop = chunk.indexOf(0x0a); stop >= 0; stop = chunk.indexOf(0x0a, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, stop + 1)]);
      rest = [];
      restBytes = 0;
      start = stop + 1;
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    restBytes += chunk.length - start;
    if (restBytes > maxLineBytes) throw invalid(`a line is longer than ${maxLineBytes} bytes`);
  }
  if (rest.length > 0) throw invalid('its last line is cut');
}
