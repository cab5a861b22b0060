/**
 * Writers of 1 KB each, acknowledged when durable: our store, a raw log file with checksums and group commit (what the
 * disk gives), and etcd over gRPC (`etcd-load`, a Go program in a process of its own), all on the disk of the directory
 * given. See README.md.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { systemClock } from '@polyanthus/ground-base/clock';
import { background, type Context } from '@polyanthus/ground-base/context';
import { freePorts } from '../../lab/src/control-plane.ts';
import { openSqliteStore } from '../../kube/server/src/store/sqlite.ts';
import { goProgram } from '../go-program.ts';

const valueBytes = 1024;
/** Each target in turn, several times: the disk is shared, and its mood changes. */
const secondsEach = 1;
const rounds = 3;
const writerCounts = [1, 16, 128];

interface Target {
  readonly name: string;
  /** Durable writes a second of so many writers whose keys begin with `prefix`. */
  rate(writers: number, prefix: string): Promise<number>;
  close(): Promise<void>;
}

/** Writes in this process; `write` resolves once the write is durable. */
async function inProcessRate(writers: number, prefix: string, write: (key: string) => Promise<void>): Promise<number> {
  const start = systemClock.monotonic();
  const end = start + secondsEach * 1000;
  let written = 0;
  const writer = async (number: number): Promise<void> => {
    for (let index = 0; systemClock.monotonic() < end; index++) {
      await write(`${prefix}w${number}/o${index}`);
      written++;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, number) => writer(number)));
  return (written * 1000) / (systemClock.monotonic() - start);
}

const value = Buffer.alloc(valueBytes, 'polyanthus ');

async function ours(ctx: Context, directory: string, updates: boolean): Promise<Target> {
  const store = await openSqliteStore(ctx, { directory, clock: ctx.clock });
  const write = async (key: string): Promise<void> => {
    const at = updates ? key.replace(/\d+$/, (number) => String(Number(number) % 8)) : key;
    const result = await store.write(ctx, {
      kind: 'put',
      key: at,
      expected: store.get(at)?.revision ?? 0,
      index: {},
      encode: () => value,
    });
    if (!result.ok) throw new Error('a write lost although it has no rival');
  };
  return {
    name: updates ? 'store, updates' : 'store, creates',
    rate: (writers, prefix) => inProcessRate(writers, prefix, write),
    close: () => store.close(),
  };
}

/** Everything that waits goes out in one write and one fdatasync. */
async function rawLog(directory: string): Promise<Target> {
  const file = await open(join(directory, 'log'), 'w');
  let waiting: { record: Uint8Array; done: () => void }[] = [];
  let running: Promise<void> | undefined;
  const flush = async (): Promise<void> => {
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await file.write(Buffer.concat(batch.map((each) => each.record)));
      await file.datasync();
      for (const each of batch) each.done();
    }
    running = undefined;
  };
  const write = (key: string): Promise<void> =>
    new Promise((done) => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(crc32(value, crc32(key)));
      head.writeUInt32LE(value.length + key.length, 4);
      waiting.push({ record: Buffer.concat([head, Buffer.from(key), value]), done });
      running ??= flush();
    });
  return {
    name: 'raw log file',
    rate: (writers, prefix) => inProcessRate(writers, prefix, write),
    close: () => file.close(),
  };
}

async function etcd(directory: string, binary: string): Promise<Target> {
  const [client = 0, peer = 0] = await freePorts(2);
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  const child: ChildProcess = spawn(
    binary,
    [
      '--data-dir',
      directory,
      '--listen-client-urls',
      clientUrl,
      '--advertise-client-urls',
      clientUrl,
      '--listen-peer-urls',
      peerUrl,
    ].concat(
      '--initial-advertise-peer-urls',
      peerUrl,
      '--initial-cluster',
      `default=${peerUrl}`,
      '--log-level',
      'error',
    ),
    { stdio: 'ignore' },
  );
  const program = goProgram('store-writers/etcd-load');
  const load = (...args: readonly string[]) =>
    promisify(execFile)(program, ['-endpoint', `127.0.0.1:${client}`, ...args]);
  await load('-ready');
  return {
    name: 'etcd 3.7, gRPC',
    rate: async (writers, prefix) => {
      const { stdout: said } = await load('-prefix', prefix, '-writers', `${writers}`, '-seconds', `${secondsEach}`);
      const [written = 0, seconds = 1] = said.split(' ').map(Number);
      return written / seconds;
    },
    close: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The rates of each target, round by round. */
async function measureAll(targets: readonly Target[], writers: number): Promise<number[][]> {
  const rates = targets.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, target] of targets.entries()) {
      rates[index]?.push(await target.rate(writers, `c/g/r/${writers}-${round}/`));
    }
  }
  return rates;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function main(parent: string, etcdBinary: string | undefined): Promise<void> {
  const ctx = background();
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'store-writers-'));
  const sub = async (name: string): Promise<string> => {
    await mkdir(join(directory, name), { mode: 0o700 });
    return join(directory, name);
  };
  const targets: Target[] = [];
  const rows: { name: string; rates: number[] }[] = [];
  try {
    targets.push(
      await rawLog(await sub('raw')),
      await ours(ctx, await sub('creates'), false),
      await ours(ctx, await sub('updates'), true),
    );
    if (etcdBinary !== undefined) targets.push(await etcd(await sub('etcd'), etcdBinary));
    for (const target of targets) rows.push({ name: target.name, rates: [] });
    for (const writers of writerCounts) {
      const rates = await measureAll(targets, writers);
      for (const [index, row] of rows.entries()) row.rates.push(median(rates[index] ?? []));
    }
  } finally {
    for (const target of targets) await target.close();
    await rm(directory, { recursive: true });
  }
  const raw = rows[0]?.rates ?? [];
  stdout.write(
    `| durable writes a second (share of the raw log) | ${writerCounts.map((count) => `${count} writers`).join(' | ')} |\n|---|---|---|---|\n`,
  );
  for (const { name, rates } of rows) {
    const cells = rates.map(
      (rate, index) => `${Math.round(rate).toLocaleString('en')} (${(rate / (raw[index] ?? rate)).toFixed(2)})`,
    );
    stdout.write(`| ${name} | ${cells.join(' | ')} |\n`);
  }
}

const [, , directoryArgument, etcdArgument] = argv;
if (directoryArgument === undefined)
  throw new Error('usage: node bench/store-writers/bench.ts <directory on the disk to measure> [etcd binary]');
await main(directoryArgument, etcdArgument);
