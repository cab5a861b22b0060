/**
 * The whole kill matrix, as a table: `npm run soak:runbook`. Each subject is killed at every request that its run sends,
 * before the request leaves and after it was carried out, and at seeded pairs of requests (its successor killed as well); and it is
 * stopped at every request and continued when another executor has finished.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startWorld, type Fate, type World } from '../src/testing.ts';
import { killed, reference, stopped, subjects, type Subject } from './kill-matrix.ts';

const pairs = Number(argv[2] ?? 100);
const seed = Number(argv[3] ?? 1);
const table = fileURLToPath(new URL('../../../evidence/runbook-kill-matrix.md', import.meta.url));

interface Figures {
  readonly subject: string;
  readonly phase: string;
  readonly requests: number;
  /** Cases, and how many fates struck in them. */
  readonly killed: number;
  readonly kills: number;
  readonly stopped: number;
  readonly stops: number;
  readonly defects: string[];
}

async function matrixOf(world: World, subject: Subject): Promise<Figures> {
  const expected = await reference(world, subject);
  const random = createSeededRandom(seed);
  const anywhere = (): Fate => ({
    at: Math.floor(random.float() * expected.requests),
    how: random.float() < 0.5 ? 'before' : 'after',
  });
  const every = Array.from({ length: expected.requests }, (_one, at) => at);
  const cases: readonly (readonly Fate[])[] = [
    ...every.map((at): readonly Fate[] => [{ at, how: 'before' }]),
    ...every.map((at): readonly Fate[] => [{ at, how: 'after' }]),
    ...Array.from({ length: pairs }, () => [anywhere(), anywhere()]),
  ];
  const defects: string[] = [];
  const note = (what: unknown, found: readonly string[]): void => {
    if (found.length > 0) defects.push(`${JSON.stringify(what)}: ${found.join('; ')}`);
  };
  let [kills, stops] = [0, 0];
  for (const fates of cases) {
    const one = await killed(world, subject, expected, fates);
    kills += one.struck;
    note(fates, one.defects);
  }
  for (const at of every) {
    const one = await stopped(world, subject, expected, { at });
    stops += one.struck;
    note({ at, how: 'stop' }, one.defects);
  }
  const { requests, phase } = expected;
  return { subject: subject.name, phase, requests, killed: cases.length, kills, stopped: every.length, stops, defects };
}

const world = await startWorld();
const rows: Figures[] = [];
for (const subject of subjects) rows.push(await matrixOf(world, subject));
await world.close();

const text = `# Kill matrix of the runbook engine
\`npm run soak:runbook\`, seed ${seed}. The runbook has every kind of step, three targets and a window of two. Killed: an executor
ends before one of its requests is sent or after it was carried out, at every request in turn, and at ${pairs} seeded pairs (its
successor is killed as well); the next one waits for the lease and carries the run on. Stopped: an executor stands still with a
request in its hand, at every request in turn; another takes over and finishes; then the first is continued. Sound: the run ends in
the phase, with the targets and with the step states of the run that nobody touched, no write to a target lacks a stored intent,
and who wakes late changes nothing.

| subject | ends | requests of the run | runs with kills | kills | runs with a stop | stops | not sound |
|---|---|---|---|---|---|---|---|
${rows.map((row) => `| ${row.subject} | ${row.phase} | ${row.requests} | ${row.killed} | ${row.kills} | ${row.stopped} | ${row.stops} | ${row.defects.length} |`).join('\n')}
${rows.flatMap((row) => row.defects.map((defect) => `- ${row.subject}: ${defect}`)).join('\n')}`;
await mkdir(dirname(table), { recursive: true });
await writeFile(table, `${text.trimEnd()}\n`);
stdout.write(`${text}\n`);
process.exitCode = rows.some((row) => row.defects.length > 0) ? 1 : 0;
