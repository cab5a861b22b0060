import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { describeStore, put, remove, textOf } from './conformance.ts';
import { defectOf, Disk, openImage, readRecording, statesOf, type Operation } from './crash-model.ts';
import { exportStore, importStore } from './backup.ts';
import { openSqliteStore } from './sqlite.ts';
import { storeFile } from './sqlite-directory.ts';
import type { Store, StoreEvent } from './store.ts';

const ctx = background();
let scratch = '';
let directory = '';
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'store-'));
  directory = join(scratch, 'data');
});
// A property that its time limit ends leaves its last case running: its store may still write a file.
afterEach(() => rm(scratch, { recursive: true, maxRetries: 20, retryDelay: 100 }));

function open(at = directory, options: Partial<Parameters<typeof openSqliteStore>[1]> = {}): Promise<Store> {
  return openSqliteStore(ctx, { directory: at, clock: createVirtualClock({ startMs: 0 }), ...options });
}

let opened = 0;
describeStore('the SQLite store', () => ({ open: (options) => open(join(scratch, `s${opened++}`), options) }), 25);

/** Creates, updates, deletes, a compaction: 12 revisions, history from 3 on. */
async function fill(store: Store): Promise<void> {
  for (let index = 1; index <= 8; index++) await put(store, `c/g/r/n/${index}`, 0, `text ${index} `.repeat(30));
  await put(store, 'c/g/r/n/1', 1, 'changed');
  await remove(store, 'c/g/r/n/2', 2);
  await put(store, 'c/g/r/n/2', 0, 'again');
  await store.write(ctx, { kind: 'delete', key: 'c/g/r/n/3', expected: 3 });
  await store.compact(ctx, 2);
}

function eventsOf(store: Store): StoreEvent[] {
  const events: StoreEvent[] = [];
  store.watch('', store.compactedRevision, (event) => events.push(event)).close();
  return events;
}

/** Buffers and arrays of bytes alike, as text. */
function plain(value: unknown): string {
  return JSON.stringify(value, (name, each: unknown) =>
    name === 'bytes' ? Buffer.from(each as Uint8Array).toString() : each,
  );
}

describe('the data directory', () => {
  test('gives back objects, history, old states and revisions after a restart', async () => {
    const first = await open();
    await fill(first);
    const before = {
      all: first.range(''),
      old: first.range('', { revision: 5 }),
      events: eventsOf(first),
      compacted: first.compactedRevision,
    };
    await first.close();
    const second = await open();
    const after = {
      all: second.range(''),
      old: second.range('', { revision: 5 }),
      events: eventsOf(second),
      compacted: second.compactedRevision,
    };
    expect(JSON.parse(plain(after))).toEqual(JSON.parse(plain(before)));
    expect(after.events).toHaveLength(10);
    expect(await put(second, 'c/g/r/n/9')).toMatchObject({ revision: 13 });
    await second.close();
  });

  test('is private, and is one file once closed', async () => {
    const store = await open();
    await fill(store);
    for (const name of await readdir(directory))
      expect([name, (await stat(join(directory, name))).mode & 0o777]).toEqual([name, 0o600]);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    await store.close();
    expect((await readdir(directory)).sort()).toEqual(['owner.db', 'store.db']);
  });

  test('can be read by others while the store runs', async () => {
    const store = await open();
    await fill(store);
    const reader = new DatabaseSync(storeFile(directory), { readOnly: true });
    expect(reader.prepare('SELECT count(*) AS count FROM objects').get()).toMatchObject({ count: 7 });
    reader.close();
    expect(await put(store, 'c/g/r/n/9')).toMatchObject({ ok: true });
    await store.close();
  });

  test('has one owner, and names its pid to another', async () => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', owner, fileURLToPath(new URL('sqlite.ts', import.meta.url)), directory],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await once(child.stdout, 'data');
    await expect(open()).rejects.toMatchObject({
      code: 'StoreInUse',
      message: expect.stringContaining(`process ${child.pid}`),
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = await open();
    expect(textOf(store.get('c/g/r/n/a'))).toBe('value');
    await expect(open()).rejects.toMatchObject({ code: 'StoreInUse' });
    await store.close();
  });

  test('that cannot be made is said by name', async () => {
    await writeFile(join(scratch, 'file'), '');
    await expect(open(join(scratch, 'file', 'data'))).rejects.toMatchObject({
      code: 'StoreUnavailable',
      message: expect.stringContaining('file/data'),
    });
  });
});

const owner = `
  const { openSqliteStore } = await import(process.argv[1]);
  const { background } = await import('@polyanthus/ground-base/context');
  const ctx = background();
  const store = await openSqliteStore(ctx, { directory: process.argv[2], clock: ctx.clock });
  await store.write(ctx, { kind: 'put', key: 'c/g/r/n/a', expected: 0, index: {}, encode: () => Buffer.from('value') });
  process.stdout.write('open');`;

describe('a failed commit', () => {
  test('fails all that wait, leaves reads, refuses writes, and is gone after a restart', async () => {
    const store = await open();
    await put(store, 'c/g/r/n/a');
    // Another hand deletes the row: the next update does not find it, so the batch is rolled back.
    const other = new DatabaseSync(storeFile(directory));
    other.exec('DELETE FROM objects');
    other.close();
    const heard: number[] = [];
    store.watch('', 1, (event) => heard.push(event.revision));
    const results = await Promise.allSettled([
      put(store, 'c/g/r/n/b'),
      put(store, 'c/g/r/n/a', 1),
      put(store, 'c/g/r/n/a', 1),
    ]);
    expect(results.map((result) => result.status === 'rejected' && (result.reason as { code: string }).code)).toEqual([
      'StoreReadOnly',
      'StoreReadOnly',
      'StoreReadOnly',
    ]);
    expect([store.writable, store.revision, heard]).toEqual([false, 1, []]);
    expect(textOf(store.get('c/g/r/n/a'))).toBe('value@1');
    await expect(put(store, 'c/g/r/n/c')).rejects.toMatchObject({ code: 'StoreReadOnly' });
    await store.close();
    await expect(open()).rejects.toMatchObject({
      code: 'StoreDamaged',
      message: expect.stringContaining('0 rows instead of 1'),
    });
  });
});

describe('a file of another format', () => {
  test('is refused when newer, moved on when older, with a copy first', async () => {
    const store = await open();
    await fill(store);
    await store.close();
    const setVersion = (version: number): void => {
      const database = new DatabaseSync(storeFile(directory));
      database.exec(`PRAGMA user_version = ${version}`);
      database.close();
    };
    setVersion(2);
    await expect(open()).rejects.toMatchObject({
      code: 'StoreFormatUnknown',
      message: expect.stringContaining('has format 2'),
    });
    setVersion(0);
    await expect(open()).rejects.toMatchObject({ code: 'StoreFormatUnknown' });
    const moved = await open(directory, {
      migrations: new Map([[0, (database: DatabaseSync) => database.exec('ANALYZE')]]),
    });
    expect(moved.count('')).toBe(7);
    await moved.close();
    const copy = new DatabaseSync(`${storeFile(directory)}.format-0`, { readOnly: true });
    expect(copy.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 0 });
    copy.close();
  });
});

describe('damage', () => {
  /** A closed store with distinct texts, and the bytes of its file. */
  async function filled(): Promise<Buffer> {
    const store = await open();
    await fill(store);
    await store.close();
    return readFile(storeFile(directory));
  }

  test.each([
    ['the bytes of an object', 'text 5 text 5', 'objects row 5 (c/g/r/n/5)'],
    ['the key of an object', 'c/g/r/n/6', ' row 6 ('],
    ['an index', '{"labels":{"text":"text 7', 'objects row 7'],
    ['the last state of a deleted object', 'gone@10', 'history row 10 (c/g/r/n/2)'],
    [
      'what was there before a delete',
      'text 2 text 2',
      'history row 10 (c/g/r/n/2): the checksum of the previous object',
    ],
  ])('of %s is found and named', async (_what, text, where) => {
    const content = await filled();
    const at = content.lastIndexOf(text);
    expect(at).toBeGreaterThan(0);
    content[at + 5] = (content[at + 5] ?? 0) ^ 1;
    await writeFile(storeFile(directory), content);
    await expect(open()).rejects.toMatchObject({
      code: 'StoreDamaged',
      message: expect.stringMatching(new RegExp(`store\\.db: .*${where.replaceAll(/[()]/g, '\\$&')}`)),
      next: expect.stringContaining('restore'),
    });
  });

  test('of one bit anywhere is found, or changes nothing that is read', async () => {
    const content = await filled();
    const whole = await openImage(join(scratch, 'whole'), new Map([['store.db', content]]));
    const next = randomFrom(7);
    let refused = 0;
    for (let round = 0; round < 120; round++) {
      const damaged = Buffer.from(content);
      // Every fourth in the header, where each byte means something.
      const at = next(round % 4 === 0 ? 100 : damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << next(8));
      const target = join(scratch, `flip${round}`);
      const outcome = await openImage(target, new Map([['store.db', damaged]])).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(['StoreDamaged', 'StoreFormatUnknown'], `byte ${at}: ${outcome.message}`).toContain(
          (outcome as { code?: unknown }).code,
        );
        refused++;
      } else expect(plain(outcome), `byte ${at}`).toBe(plain(whole));
    }
    expect(refused).toBeGreaterThan(10);
  });

  test('by truncation at any page, and of a missing file beside its log, is refused', async () => {
    const content = await filled();
    for (const length of [0, 10, 100, 4096, content.length - 4096, content.length - 1]) {
      await writeFile(storeFile(directory), content);
      await truncate(storeFile(directory), length);
      await expect(open(), `${length} bytes`).rejects.toMatchObject({
        code: 'StoreDamaged',
        message: expect.stringContaining('store.db'),
      });
    }
    await rm(storeFile(directory));
    await writeFile(`${storeFile(directory)}-wal`, 'x');
    await expect(open()).rejects.toMatchObject({ code: 'StoreDamaged', message: expect.stringContaining('missing') });
  });

  test('in the log before its last commits is told from a torn tail', async () => {
    const store = await open();
    await fill(store);
    const copy = join(scratch, 'copy');
    await mkdir(copy);
    for (const name of ['store.db', 'store.db-wal']) await copyFile(join(directory, name), join(copy, name));
    await store.close();
    const wal = await readFile(join(copy, 'store.db-wal'));
    for (const at of [20, 32 + 24 + 100, 32 + 20]) {
      const damaged = Buffer.from(wal);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await writeFile(join(copy, 'store.db-wal'), damaged);
      await expect(open(copy), `byte ${at}`).rejects.toMatchObject({
        code: 'StoreDamaged',
        message: expect.stringContaining('store.db-wal'),
      });
    }
    await writeFile(join(copy, 'store.db-wal'), wal.subarray(0, wal.length - 100));
    const torn = await open(copy);
    expect(torn.revision).toBeGreaterThanOrEqual(11);
    await torn.close();
  });
});

describe('a backup', () => {
  async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of source) parts.push(part);
    return Buffer.concat(parts);
  }
  async function* pieces(content: Buffer, size: number): AsyncIterable<Uint8Array> {
    for (let start = 0; start < content.length; start += size) yield content.subarray(start, start + size);
  }

  test('restores every object, with a raised revision and compacted history', async () => {
    const store = await open();
    await fill(store);
    const stream = exportStore(ctx, store);
    const head = await stream.next();
    await put(store, 'c/g/r/n/later');
    const backup = Buffer.concat([head.value as Uint8Array, await collect(stream)]);
    const target = join(scratch, 'restored');
    await importStore(ctx, { directory: target, source: pieces(backup, 97), raiseBy: 1000 });
    const restored = await open(target);
    expect([restored.revision, restored.compactedRevision]).toEqual([1012, 1012]);
    expect(restored.range('').objects).toEqual(
      store.range('', { revision: 12 }).objects.map((object) => ({ ...object, bytes: new Uint8Array(object.bytes) })),
    );
    expect(() => restored.watch('', 12, () => undefined)).toThrow(expect.objectContaining({ code: 'Compacted' }));
    await Promise.all([restored.close(), store.close()]);
    await expect(importStore(ctx, { directory: target, source: pieces(backup, 97) })).rejects.toMatchObject({
      code: 'StoreNotEmpty',
    });
  });

  test('that is cut or changed anywhere restores nothing', async () => {
    const store = await open();
    await fill(store);
    const backup = await collect(exportStore(ctx, store));
    await store.close();
    const next = randomFrom(3);
    for (let round = 0; round < 40; round++) {
      const damaged = Buffer.from(backup);
      const at = next(damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      const target = join(scratch, `target${round}`);
      const source = pieces(round % 2 === 0 ? damaged : backup.subarray(0, at), 1000);
      await expect(importStore(ctx, { directory: target, source }), `byte ${at}`).rejects.toMatchObject({
        code: 'BackupInvalid',
      });
      expect(await readdir(target)).toEqual(['owner.db']);
    }
  });
});

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
}

describe('after a power cut', () => {
  async function defects(
    recording: readonly Operation[],
    states: ReturnType<typeof statesOf>,
    images: number,
  ): Promise<string[]> {
    const random = randomFrom(20_261_124);
    const found: string[] = [];
    for (let image = 0; image < images; image++) {
      const disk = new Disk();
      for (const operation of recording.slice(0, random(recording.length + 1))) disk.apply(operation);
      const target = join(scratch, `image${image}`);
      const defect = await openImage(target, disk.image(random)).then(
        (content) => defectOf(content, disk.acknowledged, states),
        (error: unknown) => String(error),
      );
      if (defect !== undefined) found.push(defect);
      await rm(target, { recursive: true });
    }
    return found;
  }
  const recorded = readRecording(fileURLToPath(new URL('testdata/crash-recording.jsonl.gz', import.meta.url)));

  test('every acknowledged write is there and no object is partial, in 60 of the images that it may leave', async () => {
    const recording = await recorded;
    expect(recording.filter((operation) => operation.kind === 'ack').length).toBeGreaterThan(200);
    expect(await defects(recording, statesOf(recording), 60)).toEqual([]);
  });

  test('a disk that does not sync is found out, so the images can show a loss', async () => {
    const recording = await recorded;
    const lying = recording.filter((operation) => operation.kind !== 'sync' || !operation.file.endsWith('-wal'));
    expect((await defects(lying, statesOf(recording), 20)).length).toBeGreaterThan(5);
  });
});
