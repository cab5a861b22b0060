/**
 * One hub with many agents over TLS: memory and processor time with heartbeats alone, with 50 requests a second spread
 * over all members and 500 watches, and the time until all are back after the hub was killed.
 *
 *   node bench/fleet/run.ts [--agents 1000] [--processes 4]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { background } from '@polyanthus/ground-base/context';
import {
  cpuSeconds,
  end,
  endAll,
  load,
  loadAverage,
  print,
  residentMb,
  runFolder,
  start,
  type Started,
} from '../gateway/children.ts';
import { memberPath, newMember, startRealHub, type RealHub } from '../gateway/real-hub.ts';
import { goProgram } from '../go-program.ts';

const { values } = parseArgs({
  options: {
    agents: { type: 'string', default: '1000' },
    processes: { type: 'string', default: '4' },
    'hub-flags': { type: 'string', default: '' },
  },
});
const agents = Number(values.agents);
const processes = Number(values.processes);
const names = Array.from({ length: agents }, (_, index) => `member-${index}`);

interface Swarm {
  readonly started: Started;
  open: number;
}

const rows: string[] = [];
const row = (what: string, value: string): void => {
  rows.push(`| ${what} | ${value} |`);
  print(`  ${what}: ${value}`);
};

async function createMembers(hub: RealHub): Promise<readonly { name: string; token: string }[]> {
  const waiting = [...names];
  const made: { name: string; token: string }[] = [];
  const ctx = background();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
        made.push({ name, token: await newMember(ctx, hub.client, name, name) });
    }),
  );
  return made;
}

async function startSwarm(
  hub: RealHub,
  members: readonly { name: string; token: string }[],
  index: number,
): Promise<Swarm> {
  const file = join(runFolder, `members-${index}.json`);
  writeFileSync(file, JSON.stringify(members.filter((_, at) => at % processes === index)), { mode: 0o600 });
  const started = await start(process.execPath, [join(import.meta.dirname, 'agents.ts'), hub.url, hub.caFile, file]);
  const swarm = { started, open: 0 };
  started.child.stdout?.on('data', (chunk: Buffer) => {
    const last = [...chunk.toString('utf8').matchAll(/open (\d+)/g)].at(-1);
    if (last !== undefined) swarm.open = Number(last[1]);
  });
  return swarm;
}

const opened = (swarms: readonly Swarm[]): number => swarms.reduce((sum, one) => sum + one.open, 0);

/** Seconds until so many are open; tells when half and 99 % were. */
async function untilOpen(swarms: readonly Swarm[], what: string, from: number): Promise<void> {
  const marks = [0.5, 0.99, 1];
  while (marks.length > 0) {
    await sleep(50);
    while (marks[0] !== undefined && opened(swarms) >= agents * marks[0])
      row(
        `${what}, ${(marks.shift() ?? 0) * 100} % of the agents`,
        `${((performance.now() - from) / 1000).toFixed(1)} s`,
      );
    if (performance.now() - from > 600_000) throw new Error(`${opened(swarms)} of ${agents} are open after 10 minutes`);
  }
}

/** Cores and memory of the hub over some seconds. */
async function rest(hub: RealHub, what: string, work: () => Promise<string>): Promise<void> {
  const before = cpuSeconds([hub.process.pid]);
  const from = performance.now();
  await hub.loopDelay();
  const note = await work();
  const cores = (cpuSeconds([hub.process.pid]) - before) / ((performance.now() - from) / 1000);
  const delay = await hub.loopDelay();
  row(`${what}: processor of the hub`, `${cores.toFixed(2)} cores`);
  row(`${what}: memory of the hub`, `${residentMb(hub.process.pid).toFixed(0)} MB`);
  row(`${what}: loop delay p99, max`, `${delay.p99.toFixed(1)} ms, ${delay.max.toFixed(0)} ms`);
  if (note !== '') row(what, note);
}

async function spread(hub: RealHub): Promise<string> {
  const file = join(runFolder, 'urls');
  const url = (name: string, query = ''): string => `${hub.url}${memberPath(name)}/api/v1/pods${query}`;
  writeFileSync(file, names.map((name) => url(name)).join('\n'));
  const watched = join(runFolder, 'watched');
  writeFileSync(watched, names.map((name) => url(name, '?watch=1')).join('\n'));
  const watches = load('watch', { urls: watched, token: hub.adminToken, callers: 500, warm: 5, seconds: 25 });
  await sleep(5_000);
  const seen = await load('get', { urls: file, token: hub.adminToken, callers: 16, rate: 50, seconds: 20, warm: 1 });
  const events = await watches;
  return `p50 ${seen['p50Ms'] ?? 0} ms, p99 ${seen['p99Ms'] ?? 0} ms, ${(seen['perSecond'] ?? 0).toFixed(0)}/s, ${seen['errors'] ?? 0} errors ${String(seen['lastError'] ?? '')}; ${(events['perSecond'] ?? 0).toFixed(0)} events/s`;
}

try {
  goProgram('gateway/load');
  const dataDir = join(runFolder, 'fleet');
  const flags = values['hub-flags'].split(' ').filter(Boolean);
  let hub = await startRealHub(dataDir, 0, flags);
  const port = Number(new URL(hub.url).port);
  row('memory of the hub, no agent', `${residentMb(hub.process.pid).toFixed(0)} MB`);
  const made = performance.now();
  const members = await createMembers(hub);
  row('memberships and tokens made in', `${((performance.now() - made) / 1000).toFixed(1)} s`);
  const joined = performance.now();
  const swarms = await Promise.all(Array.from({ length: processes }, (_, index) => startSwarm(hub, members, index)));
  await untilOpen(swarms, 'enrolled and connected', joined);
  await sleep(20_000);
  await rest(hub, 'heartbeats alone', () => sleep(20_000).then(() => ''));
  await rest(hub, '50 requests/s and 500 watches', () => spread(hub));
  await end(hub.process, 'SIGKILL');
  const killed = performance.now();
  for (const swarm of swarms) swarm.open = 0;
  hub = await startRealHub(dataDir, port, flags);
  row('the killed hub serves again after', `${((performance.now() - killed) / 1000).toFixed(1)} s`);
  const pids = swarms.map((swarm) => swarm.started.pid);
  const spent = cpuSeconds(pids);
  await untilOpen(swarms, 'connected again after the kill', killed);
  const perAgent = (seconds: number): string => `${((seconds / agents) * 1_000).toFixed(1)} ms`;
  row('processor time for each return, hub with its start', perAgent(cpuSeconds([hub.process.pid])));
  row('processor time for each return, agents', perAgent(cpuSeconds(pids) - spent));
  await sleep(10_000);
  await rest(hub, 'after the return', () => spread(hub));
  print(
    `\n${agents} agents in ${processes} processes; load average ${loadAverage()}\n\n| | |\n|---|---|\n${rows.join('\n')}`,
  );
} finally {
  await endAll();
}
