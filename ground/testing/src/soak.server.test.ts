import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSoakResults } from './soak-results.ts';
import { soakArguments } from './soak.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'polyanthus-soak-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Squares numbers: the last half of its cases hang while there is no file `go`, and 13 throws. */
const program = `
import { appendFileSync, existsSync } from 'node:fs';
import { runSoak, soakArguments } from '${new URL('soak.ts', import.meta.url).href}';
const asked = soakArguments(process.argv.slice(2));
const [count] = asked.numbers;
const state = await runSoak({
  name: 'squares',
  root: process.cwd(),
  reference: async () => { appendFileSync('log', 'reference '); return { power: 2 }; },
  cases: () => Array.from({ length: count }, (_one, index) => String(index)),
  carryOut: async ({ power }, id) => {
    if (Number(id) >= count / 2 && !existsSync('go')) {
      console.log('hangs');
      await new Promise(() => undefined);
    }
    appendFileSync('log', id + ' ');
    if (existsSync('die')) process.exit(3);
    if (id === '13') throw new Error('unlucky');
    return Number(id) ** power;
  },
  failed: (error) => error,
}, asked, (line) => console.log(line));
if (state !== undefined) console.log(JSON.stringify([[...state.results], state.total]));
`;

function start(...args: readonly string[]): ChildProcess {
  writeFileSync(join(folder, 'soak.mjs'), program);
  return spawn(process.execPath, ['soak.mjs', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
}

/** To its end; `onText` sees what there is so far. */
async function outputOf(child: ChildProcess, onText: (text: string) => void = () => undefined): Promise<string> {
  let text = '';
  child.stdout?.on('data', (piece: Buffer) => {
    text += piece.toString();
    onText(text);
  });
  await once(child, 'close');
  return text;
}

const linesOf = (output: string): readonly string[] => output.trim().split('\n');
const stateOf = (output: string): unknown => JSON.parse(linesOf(output).at(-1) ?? '');
const logged = (): readonly string[] => readFileSync(join(folder, 'log'), 'utf8').trim().split(' ').toSorted();
const file = (): string => {
  const [name = ''] = readdirSync(join(folder, 'soak-results'));
  return join(folder, 'soak-results', name);
};

it('goes on where it was ended, does nothing twice, and tells how far it is', async () => {
  const first = start('6', '--workers', '2');
  // Both processes hang in their second half: all before is done. Whatever is said after that brings one more SIGINT.
  const said = await outputOf(
    first,
    (text) => text.split('hangs').length === 3 && !first.killed && first.kill('SIGINT'),
  );
  expect(said).toContain('ended early (Error: interrupted): the same command goes on from here');
  const half = [
    ['0', 0],
    ['1', 1],
    ['2', 4],
  ];
  expect(stateOf(said)).toEqual([half, 6]);
  expect(logged()).toEqual(['0', '1', '2', 'reference']);

  appendFileSync(file(), '["3",');
  expect(stateOf(await outputOf(start('6', '--table')))).toEqual([half, 6]);

  writeFileSync(join(folder, 'go'), '');
  const rest = await outputOf(start('6', '--workers', '2'));
  expect(linesOf(rest)[0]).toMatch(/^3 of 6 cases are in soak-results\/squares-[0-9a-f]{16}\.jsonl$/);
  expect(rest).toContain('6 of 6 cases, about 0 min left');
  expect(stateOf(rest)).toEqual([[...half, ['3', 9], ['4', 16], ['5', 25]], 6]);
  expect(logged()).toEqual(['0', '1', '2', '3', '4', '5', 'reference']);
});

it('keeps what a case threw as its result, and begins anew with other arguments', async () => {
  writeFileSync(join(folder, 'go'), '');
  expect(stateOf(await outputOf(start('1')))).toEqual([[['0', 0]], 1]);
  const output = await outputOf(start('14', '--workers', '3'));
  expect(linesOf(output)[0]).toContain('0 of 14 cases');
  expect(stateOf(output)).toEqual([expect.arrayContaining([['13', 'Error: unlucky']]) as unknown, 14]);
});

it('ends with a word of its case when one of its processes dies', async () => {
  for (const name of ['go', 'die']) writeFileSync(join(folder, name), '');
  const output = await outputOf(start('4'));
  expect(output).toContain('ended early (Error: the process of case 0 ended with 3)');
  expect(stateOf(output)).toEqual([[], 4]);
});

it('keeps results as lines, and cuts off one whose writer was killed', () => {
  const kept = join(folder, 'deep', 'r.jsonl');
  openSoakResults(kept).add('a', { value: 1 });
  appendFileSync(kept, '["b",{"val');
  const again = openSoakResults(kept);
  expect([...again.known]).toEqual([['a', { value: 1 }]]);
  again.add('c', null);
  expect([...openSoakResults(kept).known.keys()]).toEqual(['a', 'c']);
});

it('is asked for by numbers and a bounded number of processes', () => {
  expect(soakArguments([])).toEqual({ numbers: [], workers: 1, table: false, worker: false });
  expect(soakArguments(['5', '1', '--workers', '999', '--table'])).toMatchObject({ numbers: [5, 1], workers: 64 });
  for (const wrong of [['x'], ['--workers', '0'], ['1.5'], ['--what']])
    expect(() => soakArguments(wrong), wrong.join(' ')).toThrow();
});
