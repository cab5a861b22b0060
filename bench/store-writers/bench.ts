/**
 * Writers of 1 KB each, acknowledged when durable: our store, a raw log file with checksums and group commit (what the
 * disk gives), and etcd through its JSON gateway, all on the disk of `--directory`. See README.md.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { crc32 } from 'node:zlib';
import { systemClock } from '@polyanthus/ground-base/clock';
import { background, sleep, type Context } from '@polyanthus/ground-base/context';
import { openSqliteStore } from '../../kube/server/src/store/sqlite.ts';

const valueBytes = 1024;
/** Each target in turn, several times: the disk is shared, and its mood changes. */
const secondsEach = 1;
const rounds = 3;
const writerCounts = [1, 16, 128];
const etcdStartTries = 200;

interface Target {
  readonly name: string;
  /** Resolves once the write is durable. */
  write(key: string): Promise<void>;
  close(): Promise<void>;
}

const value = Buffer.alloc(valueBytes, 'polyanthus ');

async function ours(ctx: Context, directory: string, updates: boolean): Promise<Target> {
  const store = await openSqliteStore(ctx, { directory, clock: ctx.clock });
  return {
    name: updates ? 'store, updates' : 'store, creates',
    write: async (key) => {
      const at = updates ? key.replace(/\d+$/, (number) => String(Number(number) % 8)) : key;
      const result = await store.write(ctx, {
        kind: 'put',
        key: at,
        expected: store.get(at)?.revision ?? 0,
        index: {},
        encode: () => value,
      });
      if (!result.ok) throw new Error('a write lost although it has no rival');
    },
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
  return {
    name: 'raw log file',
    write: (key) =>
      new Promise((done) => {
        const head = Buffer.alloc(8);
        head.writeUInt32LE(crc32(value, crc32(key)));
        head.writeUInt32LE(value.length + key.length, 4);
        waiting.push({ record: Buffer.concat([head, Buffer.from(key), value]), done });
        running ??= flush();
      }),
    close: () => file.close(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function post(agent: Agent, port: number, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, host: '127.0.0.1', port, path, method: 'POST', headers: { 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function etcd(ctx: Context, directory: string, binary: string): Promise<Target> {
  const [client, peer] = [await freePort(), await freePort()];
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
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const put = async (key: string): Promise<void> => {
    const body = JSON.stringify({ key: Buffer.from(key).toString('base64'), value: value.toString('base64') });
    const status = await post(agent, client, '/v3/kv/put', body);
    if (status !== 200) throw new Error(`etcd answered ${status}`);
  };
  for (let left = etcdStartTries; ; left--) {
    const ready = await put('ready').then(
      () => true,
      () => false,
    );
    if (ready) break;
    if (left === 0) throw new Error('etcd did not start');
    await sleep(ctx, 50);
  }
  return {
    name: 'etcd, JSON gateway',
    write: put,
    close: async () => {
      agent.destroy();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function measure(target: Target, writers: number, round: number): Promise<number> {
  const start = systemClock.monotonic();
  const end = start + secondsEach * 1000;
  let written = 0;
  const writer = async (number: number): Promise<void> => {
    for (let index = 0; systemClock.monotonic() < end; index++) {
      await target.write(`c/g/r/w${writers}-${round}-${number}/o${index}`);
      written++;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, number) => writer(number)));
  return (written * 1000) / (systemClock.monotonic() - start);
}

/** The rates of each target, round by round. */
async function measureAll(targets: readonly Target[], writers: number): Promise<number[][]> {
  const rates = targets.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, target] of targets.entries()) rates[index]?.push(await measure(target, writers, round));
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
    if (etcdBinary !== undefined) targets.push(await etcd(ctx, await sub('etcd'), etcdBinary));
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
