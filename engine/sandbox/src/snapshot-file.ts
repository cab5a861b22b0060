/**
 * Snapshots as files: gzip over lines of JSON (`zcat file | jq` reads them), so that neither side holds one huge text. First
 * a header, then for each kind a line about it and its objects, last a line with the count of lines before it.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { privateFileMode, syncDirectory, syncFile } from '@polyanthus/ground-files/durable';
import { parseJson, stringifyJson } from '@polyanthus/kube-objects/exact-json';
import type { JsonObject, JsonValue, KubeObject } from '@polyanthus/kube-objects/meta';
import { sandboxErrors } from './errors.ts';
import type { Snapshot, SnapshotResource } from './snapshot.ts';

type Header = Omit<Snapshot, 'resources'> & { readonly polyanthus: 'snapshot' };
type KindLine = Omit<SnapshotResource, 'objects'> & { readonly count: number };

/** What a reader takes at most: of the file's bytes unpacked, and of one line. */
export interface SnapshotBounds {
  /** 2 GiB by default. */
  readonly bytesMax?: number;
}

const defaultBytesMax = 2 * 1024 ** 3;
/** Above what any API server stores of one object. */
const lineBytesMax = 16 * 1024 ** 2;
/** Text that is gathered before it goes to the packer. */
const pieceChars = 256 * 1024;

/** Writes the file (mode 0600), which appears whole or not at all. */
export async function writeSnapshot(ctx: Context, path: string, snapshot: Snapshot): Promise<void> {
  const temporary = `${path}.part`;
  await rm(temporary, { force: true });
  try {
    const target = createWriteStream(temporary, { flags: 'wx', mode: privateFileMode });
    await pipeline(Readable.from(pieces(snapshot)), createGzip({ level: 4 }), target, { signal: ctx.signal });
    await chmod(temporary, privateFileMode);
    await syncFile(temporary);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throwIfCancelled(ctx);
    throw error;
  }
}

function* pieces(snapshot: Snapshot): Generator<Buffer> {
  let text = '';
  for (const line of lines(snapshot)) {
    text += `${line}\n`;
    if (text.length < pieceChars) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

function* lines({ resources, ...rest }: Snapshot): Generator<string> {
  let count = 1;
  yield stringify({ polyanthus: 'snapshot', ...rest } satisfies Header);
  for (const { objects, ...kind } of resources) {
    yield stringify({ ...kind, count: objects.length } satisfies KindLine);
    for (const object of objects) yield stringify(object);
    count += objects.length + 1;
  }
  yield stringify({ end: count });
}

const stringify = (value: object): string => stringifyJson(value as unknown as JsonValue);

/**
 * Reads a file that `writeSnapshot` wrote. Throws SnapshotUnreadable (not a snapshot, damaged, cut, unknown format),
 * SnapshotTooLarge, and what the file system says.
 */
export async function readSnapshot(ctx: Context, path: string, bounds: SnapshotBounds = {}): Promise<Snapshot> {
  // Opened before the stream exists, so that a missing file is the file system's own error.
  await stat(path);
  const source = createReadStream(path);
  const unpacked = createGunzip();
  const done = pipeline(source, unpacked, { signal: ctx.signal });
  done.catch(() => undefined);
  try {
    const snapshot = await parseLines(path, splitLines(path, unpacked, bounds.bytesMax ?? defaultBytesMax));
    await done;
    return snapshot;
  } catch (error) {
    throwIfCancelled(ctx);
    if (hasCode(error, 'SnapshotTooLarge') || hasCode(error, 'SnapshotUnreadable')) throw error;
    throw unreadable(path, describeError(error), error);
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}

async function* splitLines(path: string, bytes: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > bytesMax)
      throw sandboxErrors.error('SnapshotTooLarge', `${path} has more than the ${bytesMax} bytes allowed`);
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
      yield rest.length === 0 ? chunk.subarray(from, at) : Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      restBytes = 0;
      from = at + 1;
    }
    restBytes += chunk.length - from;
    if (restBytes > lineBytesMax) throw unreadable(path, `a line has more than ${lineBytesMax} bytes`);
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  if (rest.length > 0) throw unreadable(path, 'its last line is cut');
}

async function parseLines(path: string, source: AsyncIterable<Buffer>): Promise<Snapshot> {
  const iterator = source[Symbol.asyncIterator]();
  let count = 0;
  /** Reading to the end is what makes the packer compare its checksum. */
  const expectEnd = async (): Promise<void> => {
    if ((await iterator.next()).done !== true) throw unreadable(path, 'something follows its end');
  };
  const next = async (): Promise<JsonObject> => {
    const { done, value } = await iterator.next();
    if (done === true) throw unreadable(path, 'its end is missing');
    count += 1;
    const parsed = parseJson(value);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw unreadable(path, `line ${count} is no object`);
    return parsed as JsonObject;
  };
  const header = headerOf(path, await next());
  const resources: SnapshotResource[] = [];
  for (;;) {
    const line = await next();
    if (line['end'] !== undefined) {
      if (line['end'] !== count - 1)
        throw unreadable(path, `it has ${count - 1} lines, and ${line['end']} were written`);
      await expectEnd();
      return { ...header, resources };
    }
    const { count: expected, ...kind } = kindOf(path, line, count);
    const objects: KubeObject[] = [];
    while (objects.length < expected) objects.push(objectOf(path, await next(), count));
    resources.push({ ...kind, objects });
  }
}

function headerOf(path: string, line: JsonObject): Omit<Snapshot, 'resources'> {
  const { polyanthus, ...header } = line as unknown as Header;
  if (polyanthus !== 'snapshot') throw unreadable(path, 'it is no snapshot');
  if (header.formatVersion !== 1)
    throw unreadable(path, `its format is ${JSON.stringify(header.formatVersion)}, this version reads 1`);
  if (typeof header.takenAt !== 'string' || !Array.isArray(header.unread) || typeof header.server !== 'object')
    throw unreadable(path, 'its header is not whole');
  return header;
}

function kindOf(path: string, line: JsonObject, at: number): KindLine {
  const kind = line as unknown as KindLine;
  const texts = [kind.group, kind.version, kind.kind, kind.plural];
  if (texts.some((text) => typeof text !== 'string') || !Number.isSafeInteger(kind.count) || kind.count < 0)
    throw unreadable(path, `line ${at} should tell of a kind`);
  return kind;
}

function objectOf(path: string, line: JsonObject, at: number): KubeObject {
  const object = line as unknown as KubeObject;
  if (typeof object.metadata !== 'object' || object.metadata === null || typeof object.kind !== 'string')
    throw unreadable(path, `line ${at} should be an object`);
  return object;
}

function unreadable(path: string, why: string, cause?: unknown): Error {
  return sandboxErrors.error('SnapshotUnreadable', `${path} cannot be read as a snapshot: ${why}`, { cause });
}
