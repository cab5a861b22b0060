/**
 * node-maintenance killed at seeded points inside actions and at boundaries of steps, as a table:
 * `npm run soak:node-maintenance -- [POINTS] [SEED] [STRIDE] [--workers N] [--table]`. Started again it goes on where it was.
 * Twenty simulated nodes, a Deployment with a budget, a command on every host, a window of four nodes.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Fate } from '@polyanthus/engine-runbook/testing';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { runSoak, soakArguments, type Soak, type SoakState } from '@polyanthus/ground-testing/soak';
import { isBoundary, killed, unkilled, type Case, type Reference, type Subject } from './kills.ts';

const asked = soakArguments(argv.slice(2));
/** Stride 1: at every boundary of a step, 2: at every other one, and so on. */
const [points = 500, seed = 1, stride = 1] = asked.numbers;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const subject: Subject = {
  size: {
    nodes: Array.from({ length: 20 }, (_one, index) => `node-${index + 1}`),
    replicas: 60,
    minAvailable: 54,
  },
  window: 4,
};

/** `before 1234 #7`: the seventh point, before request 1234; `boundary 12`: when the twelfth state was stored. */
function casesOf({ inside, boundaries }: Reference): readonly string[] {
  const random = createSeededRandom(seed);
  const seeded = Array.from({ length: points }, (_one, index) => {
    const at = inside[Math.floor(random.float() * inside.length)] ?? 0;
    return `${random.float() < 0.5 ? 'before' : 'after'} ${at} #${index}`;
  });
  const count = Math.ceil(boundaries / stride);
  return [...Array.from({ length: count }, (_one, index) => `boundary ${index * stride}`), ...seeded];
}

function fateOf(id: string): Fate {
  const [how, place] = id.split(' ');
  if (how === 'before' || how === 'after') return { at: Number(place), how };
  let seen = 0;
  return { when: (request) => isBoundary(request) && seen++ === Number(place), how: 'after' };
}

const nothing = { struck: false, inAction: false, requests: 0, evictions: 0, refused: 0, cordonedMost: 0 };
const soak: Soak<Reference, Case> = {
  name: 'node-maintenance',
  root,
  reference: () => unkilled(subject),
  cases: casesOf,
  carryOut: (expected, id) => killed(subject, expected, fateOf(id)),
  failed: (error) => ({ ...nothing, readyLeast: subject.size.replicas, defects: [error] }),
};

function tableOf({ reference: alone, results, total, sources }: SoakState<Reference, Case>): string {
  const cases = [...results.values()];
  const at = (kind: 'boundary' | 'point'): readonly Case[] =>
    [...results].filter(([id]) => id.startsWith('boundary') === (kind === 'boundary')).map(([, one]) => one);
  const row = (name: string, of: readonly Case[]): string => {
    const count = (fits: (one: Case) => boolean): number => of.filter(fits).length;
    const defects = (pattern: RegExp): number => count((one) => one.defects.some((text) => pattern.test(text)));
    return `| ${[
      name,
      of.length,
      count((one) => one.struck),
      count((one) => one.inAction),
      count((one) => one.defects.length > 0),
      defects(/^no intent covers/),
      defects(/pods were ready/),
      Math.min(...of.map((one) => one.readyLeast)),
      Math.max(...of.map((one) => one.cordonedMost)),
      of.reduce((sum, one) => sum + one.refused, 0),
    ].join(' | ')} |`;
  };
  const rows = (
    [
      ['nobody', [alone]],
      ['at boundaries', at('boundary')],
      ['at seeded points', at('point')],
    ] as const
  ).flatMap(([name, of]) => (of.length === 0 ? [] : [row(name, of)]));
  const { size, window } = subject;
  const found = [['nobody killed', alone] as const, ...results].flatMap(([id, one]) =>
    one.defects.map((text) => `- ${id}: ${text}`),
  );
  return `# node-maintenance, killed
\`npm run soak:node-maintenance -- ${points} ${seed} ${stride}\`, ${total === cases.length ? `all ${total} cases` : `**${cases.length} of ${total} cases so far**`}, at commit ${commit()} (sources ${sources}).

${size.nodes.length} simulated nodes, a Deployment of ${size.replicas} pods of which a budget keeps ${size.minAvailable} ready, a window of ${window}, and a command on the host of every
node. The executor is killed once, and a successor carries the run on: at seeded points inside actions (while a step is between its
intent and the end of its action; the call to the API or a host in hand is never sent, or is carried out and its answer never
arrives), and at ${stride === 1 ? 'every boundary' : `one of ${stride} boundaries`} of steps (a state was stored, the executor does not learn it). A run that nobody kills sends ${alone.requests} requests,
${alone.inside.length} of them inside actions, and stores ${alone.boundaries} states.

Sound: the run ends as the one that nobody killed: its phase, message and counts, the state of every step, cordon, taints, labels and
annotations of every node, how many pods each owner has and how many of them serve, which commands ran on each host and who holds it.
Every change of a node, eviction and start of a command is covered by a RunStep that says \`Intended\` at that moment, read from the API
server. Ready pods and cordoned nodes are counted at each of their states, whoever changed them.

| killed | runs | kills that struck | inside an action | not sound | actions without an intent | budget violated | fewest pods ready | most nodes out at once | evictions that the budget refused (all were waited for) |
|---|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}
${found.join('\n')}`.trimEnd();
}

function commit(): string {
  const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '-uno') === '' ? '' : ', and changes'}`;
}

const state = await runSoak(soak, asked, (line) => stdout.write(`${line}\n`));
if (state !== undefined) {
  const text = tableOf(state);
  await writeFile(`${root}evidence/node-maintenance-kills.md`, `${text}\n`);
  stdout.write(`${text}\n`);
  const cases = [state.reference, ...state.results.values()];
  process.exitCode = cases.some((one) => one.defects.length > 0) || state.results.size < state.total ? 1 : 0;
}
