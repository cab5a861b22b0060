import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonPath } from './json-path.ts';

const pod = {
  metadata: { name: 'p', annotations: { 'a.io/b': 'x' } },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', n: 3 },
      { type: 'Live', status: 'False' },
    ],
  },
  list: [1, 2, 3],
};

test.each<[string, unknown[]]>([
  ['.metadata.name', ['p']],
  ['{.metadata.name}', ['p']],
  ['metadata.name', ['p']],
  ['$.metadata.name', ['p']],
  ['.metadata.annotations.a\\.io/b', ['x']],
  [".metadata.annotations['a.io/b']", ['x']],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  ["{.status.conditions[?(@.type=='Live')].status}", ['False']],
  ['.status.conditions[?(@.n>2)].type', ['Ready']],
  ['.status.conditions[?(@.n)].type', ['Ready']],
  ['.status.conditions[*].type', ['Ready', 'Live']],
  ['.list[0]', [1]],
  ['.list[-1]', [3]],
  ['.list[0:2]', [1, 2]],
  ['..type', ['Ready', 'Live']],
  ['.absent.more', []],
  ['.metadata.constructor', []],
  ['.', [pod]],
])('%s finds %j', (path, expected) => {
  expect(parseJsonPath(path).find(pod)).toEqual(expected);
});

test.each(['', '.a[', '.a]', '.a[?(x)]', '.a b', '.a[abc]', '.a..', 'a'.repeat(2000)])('%j is refused', (path) => {
  expect(() => parseJsonPath(path)).toThrow(/is not a valid JSONPath/);
});

test('any text is a path or a bad request', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('.', '[', ']', '?', '(', ')', '@', '=', '"', 'a', '*', ':', '1', '-', '\\'),
        maxLength: 20,
      }),
      (text) => {
        try {
          expect(parseJsonPath(text).find({ a: [{ a: 1 }] })).toBeInstanceOf(Array);
        } catch (error) {
          expect(error).toMatchObject({ code: 'BadRequest' });
        }
      },
    ),
    { numRuns: 500 },
  );
});
