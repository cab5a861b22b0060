import { background } from '@polyanthus/ground-base/context';
import { defineErrors } from '@polyanthus/ground-base/errors';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, CommandGroup } from './command.ts';
import { humanDuration, parseDurationMs } from './duration.ts';
import { flag, number, text, texts } from './input.ts';
import { recordIo } from './io.ts';
import { parseCommand } from './parse.ts';
import { runProgram } from './run.ts';
import { renderTable } from './table.ts';

const errors = defineErrors({
  Broken: { meaning: 'm', next: 'do this' },
  Mistyped: { meaning: 'm', next: 'type that', usage: true },
});

const show: Command = {
  summary: 'Show a thing',
  args: [{ name: 'NAME', help: 'which', complete: 'names' }],
  options: [
    { name: 'path', kind: 'string', help: 'where', complete: 'paths' },
    { name: 'verbose', short: 'v', kind: 'boolean', help: 'say more' },
    { name: 'count', kind: 'integer', help: 'how many', default: '3' },
    { name: 'timeout', kind: 'duration', help: 'how long', default: '1m30s' },
    { name: 'user', kind: 'string', help: 'who', repeat: true },
    { name: 'output', short: 'o', kind: 'string', help: 'format', choices: ['json', 'yaml'] },
  ],
  examples: ['tool show a'],
  complete: {
    names: () => Promise.resolve(['alpha', 'beta']),
    paths: (_ctx, _environment, input) => Promise.resolve([`/of-${input.args.join('-')}`, '/b']),
  },
  run: (_ctx, input, { io }) => {
    if (input.args[0] === 'mistyped') throw errors.error('Mistyped', 'no such thing');
    if (input.args[0] === 'foreign') throw Object.assign(new Error('it says no'), { code: 'E' });
    if (input.args[0] === 'broken') throw errors.error('Broken', 'thing "broken" is broken');
    const seen = {
      path: text(input, 'path'),
      verbose: flag(input, 'verbose'),
      count: number(input, 'count'),
      timeout: number(input, 'timeout'),
      users: texts(input, 'user'),
      args: input.args,
      rest: input.rest,
    };
    io.out(JSON.stringify(seen));
    return Promise.resolve(undefined);
  },
};
const root: CommandGroup = {
  summary: 'A tool',
  commands: {
    thing: { summary: 'Things', commands: { show: { summary: show.summary, load: () => Promise.resolve(show) } } },
  },
};
const advise = (error: unknown): string | undefined =>
  (error as Error).message === 'it says no' ? 'ask again' : undefined;
const program = { name: 'tool', summary: 'A tool', version: '1.2.3', root, advise };

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = recordIo();
  const code = await runProgram(background(), program, argv, { io, env: {} });
  return { code, out: io.stdout(), err: io.stderr() };
}

describe('a program run from its table', () => {
  it('reads options, Go-style options, repeated ones and what stands after --', async () => {
    const { code, out } = await run(
      'thing',
      'show',
      'a',
      '-path=x',
      '-v',
      '--user',
      'u1',
      '-user',
      'u2',
      '--',
      '--path',
      'y',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      path: 'x',
      verbose: true,
      count: 3,
      timeout: 90_000,
      users: ['u1', 'u2'],
      args: ['a'],
      rest: ['--path', 'y'],
    });
  });

  it('answers 2 and the way to help for wrong usage', async () => {
    for (const argv of [
      ['thing', 'show'],
      ['thing', 'show', 'a', '--nope'],
      ['thing', 'show', 'a', '--count', 'x'],
      ['thing', 'show', 'a', '-o', 'xml'],
      ['thing', 'show', 'a', '--timeout', '5'],
      ['nope'],
      ['thing', 'show', 'a', 'b'],
    ]) {
      const { code, err } = await run(...argv);
      expect({ argv, code }).toEqual({ argv, code: 2 });
      expect(err).toContain('--help');
    }
  });

  it('prints message, next step and code of an operating error, and answers 1', async () => {
    const { code, err } = await run('thing', 'show', 'broken');
    expect(code).toBe(1);
    expect(err).toBe('error: thing "broken" is broken\nnext: do this (Broken)\n');
  });

  it('answers 2 where the command line is at fault, and suggests what may have been meant', async () => {
    expect(await run('thing', 'show', 'mistyped')).toMatchObject({
      code: 2,
      err: expect.stringContaining('type that') as string,
    });
    expect(await run('thnig')).toMatchObject({
      code: 2,
      err: expect.stringContaining('did you mean thing?') as string,
    });
  });

  it('asks the program for the next step after a failure that knows none', async () => {
    expect(await run('thing', 'show', 'foreign')).toEqual({
      code: 1,
      out: '',
      err: 'error: it says no\nnext: ask again\n',
    });
  });

  it('shows help of groups and commands on stdout', async () => {
    expect((await run('thing', '--help')).out).toContain('Show a thing');
    const help = await run('thing', 'show', '--help');
    expect(help.code).toBe(0);
    expect(help.out).toContain('default 1m30s');
    expect(help.out).toContain('tool show a');
  });

  it('completes commands, options, choices and names', async () => {
    expect((await run('__complete', 'thi')).out).toBe('thing\n');
    expect((await run('__complete', 'thing', 'show', '--us')).out).toBe('--user\n');
    expect((await run('__complete', 'thing', 'show', '-o', 'j')).out).toBe('json\n');
    expect((await run('__complete', 'thing', 'show', 'b')).out).toBe('beta\n');
    expect((await run('__complete', 'thing', 'show', '--path', '/x', '-v', 'a')).out).toBe('alpha\n');
    expect((await run('__complete', 'thing', 'show', 'alpha', '')).out).toBe('');
    expect((await run('__complete', 'thing', 'show', 'alpha', '--path', '')).out).toBe('/of-alpha\n/b\n');
    expect((await run('__complete', 'thing', 'show', 'alpha', '--path=/o')).out).toBe('--path=/of-alpha\n');
    expect((await run('__complete', 'thing', 'show', 'alpha', '--path', '=', '/o')).out).toBe('/of-alpha\n');
    expect((await run('__complete', 'thing', 'show', 'alpha', '--path', '=')).out).toBe('/of-alpha\n/b\n');
    expect((await run('__complete', 'comp')).out).toBe('completion\n');
    expect((await run('__complete', 'completion', 'z')).out).toBe('zsh\n');
    expect((await run('completion', 'bash')).out).toContain('complete -o default -F _tool tool');
  });

  it('never throws anything but UsageError, whatever the words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('--path', '-v', '--count', '-o', '--', 'a', '--user=x')), {
          maxLength: 8,
        }),
        (argv) => {
          try {
            parseCommand(['tool'], show, argv, {});
          } catch (error) {
            expect((error as { code?: string }).code).toBe('UsageError');
          }
        },
      ),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});

describe('durations', () => {
  it('reads what Go reads and refuses the rest', () => {
    expect(parseDurationMs('1h30m')).toBe(5_400_000);
    expect(parseDurationMs('250ms')).toBe(250);
    for (const bad of ['', '5', 'h', '1x', '1s ', '-1s']) expect(parseDurationMs(bad)).toBeUndefined();
  });

  it('prints ages as kubectl does', () => {
    const cases: readonly (readonly [number, string])[] = [
      [59_000, '59s'],
      [119_000, '119s'],
      [180_000, '3m'],
      [190_000, '3m10s'],
      [3_600_000 * 5, '5h'],
      [3_600_000 * 50, '2d2h'],
      [86_400_000 * 30, '30d'],
      [86_400_000 * 800, '2y70d'],
    ];
    for (const [ms, expected] of cases) expect(humanDuration(ms)).toBe(expected);
  });
});

describe('a table', () => {
  it('aligns columns and leaves no trailing blanks', () => {
    expect(
      renderTable(
        ['NAME', 'STATE'],
        [
          ['long-name', 'READY'],
          ['x', ''],
        ],
      ),
    ).toBe('NAME        STATE\nlong-name   READY\nx\n');
  });
});
