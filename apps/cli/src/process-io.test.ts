import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { processIo } from './process-io.ts';

/** What reaches the terminal of a process with this environment. */
function written(
  env: Readonly<Record<string, string>>,
  isTTY = true,
): { readonly text: string; readonly redraws: boolean } {
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const io = processIo({ stdout: new PassThrough(), stderr, env, exit: () => undefined } as unknown as NodeJS.Process);
  io.err('✓ a: done … ✗ ↶\n');
  return { text: String(stderr.read()), redraws: io.terminal };
}

it.each([
  ['a UTF-8 locale', { LANG: 'en_US.UTF-8' }, '✓ a: done … ✗ ↶\n'],
  ['LC_ALL over LANG', { LC_ALL: 'C.utf8', LANG: 'C' }, '✓ a: done … ✗ ↶\n'],
  ['nothing said', {}, '✓ a: done … ✗ ↶\n'],
  ['a terminal of letters alone', { LANG: 'C' }, 'ok a: done ... FAILED <-\n'],
])('writes marks for %s', (_what, env, expected) => {
  expect(written(env)).toEqual({ text: expected, redraws: true });
});

it('redraws neither a dumb terminal nor a file, in which marks stay what they are', () => {
  expect(written({ TERM: 'dumb' }).redraws).toBe(false);
  expect(written({ LANG: 'C' }, false)).toEqual({ text: '✓ a: done … ✗ ↶\n', redraws: false });
});
