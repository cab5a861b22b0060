/**
 * What a disk may hold after a power cut, from a recording of what was written and synced: per file everything up to its
 * last sync, and of what came after it any subset, writes torn at 512-byte sectors too; of the names in the directory any
 * beginning of what was not synced. For the crash tests only.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { openDirectory } from './sqlite-directory.ts';
import type { StoreContent } from './sequencer.ts';

/** One step of a recording; `data` is base64, `file` a name in the data directory. */
export type Operation =
  | { readonly kind: 'sync'; readonly file: string }
  | { readonly kind: 'create' | 'unlink'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly data: string }
  | { readonly kind: 'truncate'; readonly file: string; readonly length: number }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  | { readonly kind: 'sync-directory' }
  /** `crc` of the bytes of a put; absent for a delete. */
  | { readonly kind: 'ack'; readonly revision: number; readonly key: string; readonly crc?: number };

type Change = Extract<Operation, { readonly kind: 'write' | 'truncate' }>;
type Naming = Extract<Operation, { readonly kind: 'create' | 'unlink' | 'rename' }>;

const sectorBytes = 512;

/** The recording is gzipped JSON lines. */
export async function readRecording(path: string): Promise<Operation[]> {
  const text = gunzipSync(await readFile(path)).toString('utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Operation);
}

interface Inode {
  durable: Buffer;
  pending: Change[];
}

/** A disk to which the recording is played operation by operation. */
export class Disk {
  acknowledged = 0;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: Map<string, Inode>[] = [];

  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'write':
      case 'truncate':
        this.#names.get(operation.file)?.pending.push(operation);
        return;
      case 'sync': {
        const inode = this.#names.get(operation.file);
        if (inode === undefined) return;
        for (const change of inode.pending) inode.durable = applyChange(inode.durable, change);
        inode.pending = [];
        return;
      }
      case 'sync-directory':
        this.#durableNames = new Map(this.#names);
        this.#pendingNames = [];
        return;
      case 'ack':
        this.acknowledged++;
        return;
      case 'create':
      case 'unlink':
      case 'rename':
        this.#name(operation);
    }
  }

  #name(operation: Naming): void {
    const inode = this.#names.get(operation.file);
    if (operation.kind === 'create') {
      if (inode !== undefined) return;
      this.#names.set(operation.file, { durable: Buffer.alloc(0), pending: [] });
    } else {
      this.#names.delete(operation.file);
      if (operation.kind === 'rename' && inode !== undefined) this.#names.set(operation.to, inode);
    }
    this.#pendingNames.push(new Map(this.#names));
  }

  /** One of the images that a power cut now may leave. `random(n)` is in 0..n-1. */
  image(random: (below: number) => number): Map<string, Buffer> {
    const stage = random(this.#pendingNames.length + 1);
    const names = stage === 0 ? this.#durableNames : (this.#pendingNames[stage - 1] ?? this.#durableNames);
    const image = new Map<string, Buffer>();
    // Whole losses and whole survivals are as interesting as mixtures.
    const style = random(4);
    for (const [name, inode] of names) {
      let content = inode.durable;
      for (const change of inode.pending) content = survive(content, change, style, random);
      if (!name.endsWith('-shm')) image.set(name, content);
    }
    return image;
  }
}

function survive(content: Buffer, change: Change, style: number, random: (below: number) => number): Buffer {
  if (style === 0) return content;
  if (style === 1 || change.kind === 'truncate')
    return style === 1 || random(2) === 0 ? applyChange(content, change) : content;
  const fate = random(3);
  if (fate === 0) return content;
  if (fate === 1) return applyChange(content, change);
  return tear(content, change, random);
}

/** Any of its sectors may be there. */
function tear(
  content: Buffer,
  change: Extract<Change, { readonly kind: 'write' }>,
  random: (below: number) => number,
): Buffer {
  const data = Buffer.from(change.data, 'base64');
  let torn = content;
  for (let start = 0; start < data.length;) {
    const stop = Math.min(data.length, start + sectorBytes - ((change.offset + start) % sectorBytes));
    if (random(2) === 0) torn = overwrite(torn, change.offset + start, data.subarray(start, stop));
    start = stop;
  }
  return torn;
}

function applyChange(content: Buffer, change: Change): Buffer {
  if (change.kind === 'write') return overwrite(content, change.offset, Buffer.from(change.data, 'base64'));
  const next = Buffer.alloc(change.length);
  content.copy(next);
  return next;
}

function overwrite(content: Buffer, offset: number, data: Uint8Array): Buffer {
  const next = Buffer.alloc(Math.max(content.length, offset + data.length));
  content.copy(next);
  next.set(data, offset);
  return next;
}

/** What was there after each revision: the key's checksum, by key. */
export function statesOf(recording: readonly Operation[]): ReadonlyMap<string, number>[] {
  const acks = recording.filter((operation) => operation.kind === 'ack').sort((a, b) => a.revision - b.revision);
  const states: ReadonlyMap<string, number>[] = [new Map()];
  for (const { key, crc } of acks) {
    const next = new Map(states.at(-1));
    if (crc === undefined) next.delete(key);
    else next.set(key, crc);
    states.push(next);
  }
  return states;
}

/** Writes the image into `directory` and opens it as the server does. */
export async function openImage(
  directory: string,
  image: ReadonlyMap<string, Buffer>,
): Promise<StoreContent & { readonly revision: number }> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const [name, content] of image) await writeFile(join(directory, name), content, { mode: 0o600 });
  const content = await openDirectory(directory);
  return { ...content, revision: content.compactedRevision + [...content.events].length };
}

/** The reason why what was opened is not a state that may be there; undefined when all is well. */
export function defectOf(
  content: StoreContent & { readonly revision: number },
  acknowledged: number,
  states: readonly ReadonlyMap<string, number>[],
): string | undefined {
  if (content.revision < acknowledged)
    return `revision ${acknowledged} was acknowledged, but the store is at ${content.revision}`;
  const expected = states[content.revision];
  if (expected === undefined) return `revision ${content.revision} was never written`;
  const found = new Map([...content.objects].map((object) => [object.key, crc32(object.bytes)]));
  if (found.size !== expected.size)
    return `${found.size} objects instead of ${expected.size} at revision ${content.revision}`;
  for (const [key, crc] of expected)
    if (found.get(key) !== crc) return `${key} is not what it was at revision ${content.revision}`;
  return undefined;
}
