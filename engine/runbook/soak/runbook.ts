/**
 * The whole kill matrix, as a table: `npm run soak:runbook`. Each subject is killed at every request that its run sends,
 * before the request leaves and after it was carried out, and at seeded pairs of requests (its successor killed as well).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startWorld, type Fate, type World } from '../src/testing.ts';
import { killed, reference, subjects, type Subject } from './kill-matrix.ts';

const pairs = Number(argv[2] ?? 100);
const seed = Number(argv[3] ?? 1);
const table = fileURLToPath(new URL('../../../evidence/runbook-kill-matrix.md', import.meta.url));

interface Figures {
  readonly subject: string;
  readonly phase: string;
  readonly requests: number;
  readonly before: number;
  readonly after: number;
  readonly pairs: number;
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
  for (const fates of cases) {
    const found = await killed(world, subject, expected, fates);
    if (found.length > 0) defects.push(`${JSON.stringify(fates)}: ${found.join('; ')}`);
  }
  const { requests, phase } = expected;
  return { subject: subject.name, phase, requests, before: requests, after: requests, pairs, defects };
}

const world = await startWorld();
const rows: Figures[] = [];
for (const subject of subjects) rows.push(await matrixOf(world, subject));
await world.close();

const text = `# Kill matrix of the runbook engine
\`npm run soak:runbook\` with seed ${seed}. The runbook has every kind of step, three targets and a window of two. An executor is
killed at a request, a successor waits for its lease and carries the run on. Sound: the run ends in the phase, with the targets
and with the step states of the run that nobody killed, and no write to a target lacks a stored intent.

| subject | ends | requests of the run | killed before each | killed after each | pairs of kills | not sound |
|---|---|---|---|---|---|---|
${rows.map((row) => `| ${row.subject} | ${row.phase} | ${row.requests} | ${row.before} | ${row.after} | ${row.pairs} | ${row.defects.length} |`).join('\n')}
${rows.flatMap((row) => row.defects.map((defect) => `- ${row.subject}: ${defect}`)).join('\n')}`;
await mkdir(dirname(table), { recursive: true });
await writeFile(table, `${text.trimEnd()}\n`);
stdout.write(`${text}\n`);
process.exitCode = rows.some((row) => row.defects.length > 0) ? 1 : 0;
