/**
 * The whole kill matrix, as a table: `npm run soak:runbook -- [PAIRS] [SEED] [--workers N] [--table]`. Each subject is killed at every
 * request that its run sends, before the request leaves and after it was carried out, and at seeded pairs of requests (its successor
 * killed as well); and it is stopped at every request and continued when another executor has finished. Started again it goes on.
 */
import { writeFile } from 'node:fs/promises';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { runSoak, soakArguments, type Soak, type SoakState } from '@polyanthus/ground-testing/soak';
import { startWorld, type Fate, type World } from '../src/testing.ts';
import { killed, reference, stopped, subjects, type Case, type Reference } from './kill-matrix.ts';

const asked = soakArguments(argv.slice(2));
const [pairs = 100, seed = 1] = asked.numbers;
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `1 stop 12`: the second subject stopped at request 12; `0 kill 3 before 8 after`: a pair of kills. */
function casesOf(expected: readonly Reference[]): readonly string[] {
  return expected.flatMap(({ requests }, place) => {
    const random = createSeededRandom(seed);
    const anywhere = (): string =>
      `${Math.floor(random.float() * requests)} ${random.float() < 0.5 ? 'before' : 'after'}`;
    const every = Array.from({ length: requests }, (_one, at) => at);
    return [
      ...every.map((at) => `${place} kill ${at} before`),
      ...every.map((at) => `${place} kill ${at} after`),
      ...Array.from({ length: pairs }, (_one, index) => `${place} kill ${anywhere()} ${anywhere()} #${index}`),
      ...every.map((at) => `${place} stop ${at}`),
    ];
  });
}

let opened: Promise<World> | undefined;
/** One for all cases of a process: each makes it new. */
const worldOf = (): Promise<World> => (opened ??= startWorld());

async function carryOut(expected: readonly Reference[], id: string): Promise<Case> {
  const [place, kind, ...points] = id.split(' ');
  const [subject, one] = [subjects[Number(place)], expected[Number(place)]];
  if (subject === undefined || one === undefined) throw new Error(`there is no case ${id}`);
  const world = await worldOf();
  if (kind === 'stop') return stopped(world, subject, one, { at: Number(points[0]) });
  const fates = points.flatMap((how, index): readonly Fate[] =>
    how === 'before' || how === 'after' ? [{ at: Number(points[index - 1]), how }] : [],
  );
  return killed(world, subject, one, fates);
}

const soak: Soak<readonly Reference[], Case> = {
  name: 'runbook',
  root,
  reference: async () => {
    const found: Reference[] = [];
    for (const subject of subjects) found.push(await reference(await worldOf(), subject));
    return found;
  },
  cases: casesOf,
  carryOut,
  failed: (error) => ({ struck: 0, defects: [error] }),
};

function tableOf({ reference: expected, results, total }: SoakState<readonly Reference[], Case>): string {
  const rows = subjects.map((subject, place) => {
    const of = (kind: string): readonly Case[] =>
      [...results].filter(([id]) => id.startsWith(`${place} ${kind}`)).map(([, one]) => one);
    const [kills, stops] = [of('kill'), of('stop')];
    const struck = (cases: readonly Case[]): number => cases.reduce((sum, one) => sum + one.struck, 0);
    const unsound = [...kills, ...stops].filter((one) => one.defects.length > 0).length;
    const { phase = '', requests = 0 } = expected[place] ?? {};
    const figures = [requests, kills.length, struck(kills), stops.length, struck(stops), unsound];
    return `| ${[subject.name, phase, ...figures].join(' | ')} |`;
  });
  const defects = [...results].flatMap(([id, one]) => one.defects.map((defect) => `- ${id}: ${defect}`));
  const far = results.size === total ? '' : ` **${results.size} of ${total} cases so far.**`;
  return `# Kill matrix of the runbook engine
\`npm run soak:runbook\`, seed ${seed}.${far} The runbook has every kind of step, three targets and a window of two. Killed: an executor
ends before one of its requests is sent or after it was carried out, at every request in turn, and at ${pairs} seeded pairs (its
successor is killed as well); the next one waits for the lease and carries the run on. Stopped: an executor stands still with a
request in its hand, at every request in turn; another takes over and finishes; then the first is continued. Sound: the run ends in
the phase, with the targets and with the step states of the run that nobody touched, no write to a target lacks a stored intent,
and who wakes late changes nothing.

| subject | ends | requests of the run | runs with kills | kills | runs with a stop | stops | not sound |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
${defects.join('\n')}`.trimEnd();
}

const state = await runSoak(soak, asked, (line) => stdout.write(`${line}\n`));
await (await opened)?.close();
if (state !== undefined) {
  const text = tableOf(state);
  await writeFile(`${root}evidence/runbook-kill-matrix.md`, `${text}\n`);
  stdout.write(`${text}\n`);
  const sound = [...state.results.values()].every((one) => one.defects.length === 0);
  process.exitCode = sound && state.results.size === state.total ? 0 : 1;
}
