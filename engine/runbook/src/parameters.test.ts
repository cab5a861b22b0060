import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { parametersFromTexts, readParameters, type ParameterSpec } from './parameters.ts';

const schema: readonly ParameterSpec[] = [
  { name: 'nodes', type: 'list', help: 'nodes', required: true, maximumLength: 20 },
  { name: 'mode', type: 'text', help: 'mode', choices: ['fast', 'slow'] },
  { name: 'note', type: 'text', help: 'note' },
  { name: 'window', type: 'integer', help: 'window', default: 1, minimum: 1, maximum: 9 },
  { name: 'wait', type: 'duration', help: 'wait', maximum: 60_000 },
  { name: 'sure', type: 'boolean', help: 'sure' },
];
const problems = (given: Readonly<Record<string, unknown>>): string => {
  try {
    readParameters('r', schema, given);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

it('fills in defaults and takes what is right', () => {
  expect(readParameters('r', schema, { nodes: ['a'], mode: 'fast', wait: 0, sure: false })).toEqual({
    nodes: ['a'],
    mode: 'fast',
    window: 1,
    wait: 0,
    sure: false,
  });
});

it.each([
  [{}, 'nodes: is required'],
  [{ nodes: [] }, 'nodes: is empty'],
  [{ nodes: 'a' }, 'nodes: is no list of texts'],
  [{ nodes: ['a'.repeat(21)] }, 'nodes: has an entry of more than 20 characters'],
  [{ nodes: Array.from({ length: 5001 }, () => 'a') }, 'nodes: has more than 5000 entries'],
  [{ nodes: ['a'], mode: 'other' }, 'mode: is none of fast, slow'],
  [{ nodes: ['a'], note: 'x'.repeat(1025) }, 'note: has more than 1024 characters'],
  [{ nodes: ['a'], window: 10 }, 'window: is more than 9'],
  [{ nodes: ['a'], window: 1.5 }, 'window: is no whole number'],
  [{ nodes: ['a'], wait: -1 }, 'wait: is less than 0 ms'],
  [{ nodes: ['a'], wait: 60_001 }, 'wait: is more than 60000 ms'],
  [{ nodes: ['a'], sure: 'yes' }, 'sure: is neither true nor false'],
  [
    { nodes: ['a'], other: 1, __proto__x: 2 },
    'other: there is no such parameter; __proto__x: there is no such parameter',
  ],
])('names what is wrong: %j', (given, message) => {
  expect(problems(given)).toBe(`runbook r: ${message}`);
});

it('reads texts as the schema says, and takes nothing else, however it is written', () => {
  const texts = ['nodes=a,b', 'nodes=c', 'window=3', 'sure', 'wait=1500'];
  const duration = (text: string): number | undefined => (/^\d+$/.test(text) ? Number(text) : undefined);
  expect(parametersFromTexts('r', schema, texts, duration)).toMatchObject({
    nodes: ['a', 'b', 'c'],
    window: 3,
    sure: true,
    wait: 1500,
  });
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40 }), { maxLength: 30 }), (any) => {
      try {
        const read = parametersFromTexts('r', schema, ['nodes=a', ...any], duration);
        expect(readParameters('r', schema, read)).toEqual(read);
      } catch (error) {
        expect(error).toMatchObject({ code: 'RunParameterInvalid' });
        expect((error as Error).message.length).toBeLessThan(4000);
      }
    }),
    { interruptAfterTimeLimit: 1000 },
  );
});
