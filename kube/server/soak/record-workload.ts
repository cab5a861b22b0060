/**
 * What is recorded for crash images: seeded creates, updates, deletes, batches, compaction, reopening, with a write-ahead
 * log so short that it is moved into the file and begun anew many times. Says `ack <revision> <key> <crc or ->` on the
 * standard output once a write is acknowledged. Run by record.ts under strace: `node record-workload.ts <directory>`.
 */
import { writeSync } from 'node:fs';
import { argv } from 'node:process';
import { crc32 } from 'node:zlib';
import { background, type Context } from '@polyanthus/ground-base/context';
import { SequencedStore } from '../src/store/sequencer.ts';
import { packBatch } from '../src/store/sqlite-batch.ts';
import { openDirectory, storeFile } from '../src/store/sqlite-directory.ts';
import { SqliteFile } from '../src/store/sqlite-file.ts';
import type { Store } from '../src/store/store.ts';

const rounds = 80;
const walPages = 48;
const keyCount = 40;
const reopenEvery = 30;
const compactEvery = 25;

/** Park and Miller's generator: the same workload every time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
}

async function open(ctx: Context, directory: string): Promise<Store> {
  const content = await openDirectory(directory);
  const file = new SqliteFile(storeFile(directory), walPages);
  const inTurn = (fn: () => void): Promise<void> => Promise.resolve().then(fn);
  const log = {
    commit: (events: Parameters<typeof packBatch>[0]) => inTurn(() => file.commit(packBatch(events))),
    compact: (revision: number) => inTurn(() => void file.compactStep(revision)),
    close: () => inTurn(() => file.close()),
  };
  return new SequencedStore(log, { clock: ctx.clock }, content);
}

async function writeOne(ctx: Context, store: Store, next: (below: number) => number): Promise<void> {
  const key = `c/g/r/n/key${next(keyCount)}`;
  const text = `${key} `.repeat(4 + next(next(6) === 0 ? 600 : 100));
  const isDelete = next(5) === 0;
  // Several writes of one batch may meet on a key: the later ones lose, and are not acknowledged.
  const expected = store.get(key)?.revision ?? 0;
  const encode = (revision: number): Uint8Array => Buffer.from(`${revision} ${text}`);
  const result = await store.write(
    ctx,
    isDelete ? { kind: 'delete', key, expected } : { kind: 'put', key, expected, encode, index: { labels: { key } } },
  );
  if (result.ok)
    writeSync(
      1,
      `ack ${result.revision} ${key} ${isDelete || result.object === undefined ? '-' : crc32(result.object.bytes)}\n`,
    );
}

async function main(directory: string): Promise<void> {
  const ctx = background();
  const next = numbers(20_261_124);
  let store = await open(ctx, directory);
  for (let round = 1; round <= rounds; round++) {
    await Promise.all(Array.from({ length: 1 + next(6) }, () => writeOne(ctx, store, next)));
    if (round % compactEvery === 0) await store.compact(ctx, store.revision - 20);
    if (round % reopenEvery !== 0) continue;
    await store.close();
    store = await open(ctx, directory);
  }
  await store.close();
}

await main(argv[2] ?? '');
