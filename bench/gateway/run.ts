/** Measures the gateway with its tunnel against the same target dialled directly, and prints a table. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { testCertificates } from '@polyanthus/ground-http/testing';

const children: ChildProcess[] = [];
const member = '/v1/projects/fleet-a/locations/global/memberships/member-1';
const callersOf = [1, 16, 128] as const;
const secondsEach = Number(process.env['BENCH_SECONDS'] ?? 3);

async function start(...args: string[]): Promise<number> {
  const child = spawn(process.execPath, [new URL('processes.ts', import.meta.url).pathname, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return Number(line.toString().trim());
}

interface Way {
  readonly name: string;
  readonly port: number;
  readonly prefix: string;
}

function get(way: Way, agent: Agent, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: 'localhost',
        port: way.port,
        path: way.prefix + path,
        agent,
        ca: testCertificates.ca,
        headers: { authorization: 'Bearer x' },
      },
      (response) => {
        let bytes = 0;
        response.on('data', (piece: Buffer) => (bytes += piece.length));
        response.once('end', () =>
          response.statusCode === 200 ? resolve(bytes) : reject(new Error(`status ${response.statusCode}`)),
        );
        response.once('error', reject);
      },
    );
    sent.once('error', reject);
    sent.end();
  });
}

async function calls(way: Way, callers: number): Promise<{ readonly p50Ms: number; readonly perSecond: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const times: number[] = [];
  const load = async (untilMs: number, keep: boolean): Promise<void> => {
    while (performance.now() < untilMs) {
      const from = performance.now();
      await get(way, agent, '/api/v1/namespaces/a/configmaps/b');
      if (keep) times.push(performance.now() - from);
    }
  };
  const all = (seconds: number, keep: boolean): Promise<unknown> =>
    Promise.all(Array.from({ length: callers }, () => load(performance.now() + seconds * 1000, keep)));
  await all(1, false);
  const from = performance.now();
  await all(secondsEach, true);
  const perSecond = times.length / ((performance.now() - from) / 1000);
  agent.destroy();
  return { p50Ms: times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0, perSecond };
}

async function stream(way: Way): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  // Once to warm up.
  await get(way, agent, '/stream');
  const from = performance.now();
  const bytes = await get(way, agent, '/stream');
  agent.destroy();
  return bytes / 1e6 / ((performance.now() - from) / 1000);
}

const target = await start('target');
const hub = await start('hub');
await start('agent', String(hub), String(target));
const direct: Way = { name: 'direct', port: target, prefix: '' };
const tunnel: Way = { name: 'tunnel', port: hub, prefix: member };
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print('| callers | direct p50 ms | tunnel p50 ms | added ms | direct req/s | tunnel req/s | ratio |');
print('|---|---|---|---|---|---|---|');
for (const callers of callersOf) {
  const [a, b] = [await calls(direct, callers), await calls(tunnel, callers)];
  print(
    `| ${callers} | ${a.p50Ms.toFixed(2)} | ${b.p50Ms.toFixed(2)} | ${(b.p50Ms - a.p50Ms).toFixed(2)} | ${a.perSecond.toFixed(0)} | ${b.perSecond.toFixed(0)} | ${(b.perSecond / a.perSecond).toFixed(2)} |`,
  );
}
const [a, b] = [await stream(direct), await stream(tunnel)];
print(`\none stream of 256 MiB: direct ${a.toFixed(0)} MB/s, tunnel ${b.toFixed(0)} MB/s, ratio ${(b / a).toFixed(2)}`);
for (const child of children) child.kill();
