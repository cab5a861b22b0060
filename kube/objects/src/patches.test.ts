import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';
import { applyStrategicPatch } from './strategic-patch.ts';

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>;

describe('a merge patch', () => {
  // RFC 7396, appendix A.
  test.each<[JsonValue, JsonValue, JsonValue]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j + %j = %j', (doc, patch, expected) => {
    expect(applyMergePatch(doc, patch)).toEqual(expected);
  });

  test('does not change its arguments and cannot reach the prototype', () => {
    const doc = Object.freeze({ a: Object.freeze({ b: 1 }) });
    const patch = JSON.parse('{"__proto__":{"polluted":1},"a":{"c":2}}') as JsonObject;
    const merged = applyMergePatch(doc, patch) as JsonObject;
    expect(Object.keys(merged)).toEqual(['a', '__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('applied twice is applied once', () => {
    fc.assert(
      fc.property(json, json, (doc, patch) => {
        const once = applyMergePatch(doc, patch);
        expect(applyMergePatch(once, patch)).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a JSON patch', () => {
  test.each<[JsonValue, JsonValue, JsonValue]>([
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    [{ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    [{ foo: ['a'] }, [{ op: 'add', path: '/foo/-', value: { b: 1 } }], { foo: ['a', { b: 1 }] }],
    [{ foo: ['a', 'b'] }, [{ op: 'remove', path: '/foo/0' }], { foo: ['b'] }],
    [{ a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    [
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    [
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'test', path: '/a~1b', value: 1 },
        { op: 'remove', path: '/m~0n' },
      ],
      { 'a/b': 1 },
    ],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
    [{ a: { b: [1] } }, [{ op: 'test', path: '', value: { a: { b: [1] } } }], { a: { b: [1] } }],
  ])('%j + %j = %j', (doc, patch, expected) => {
    expect(applyJsonPatch(doc, patch)).toEqual(expected);
  });

  test.each<[JsonValue, string]>([
    [[{ op: 'test', path: '/a', value: 2 }], 'testing value /a failed'],
    [[{ op: 'remove', path: '/x' }], 'there is no x to remove'],
    [[{ op: 'add', path: '/x/y', value: 1 }], 'doc is missing path: "/x/y"'],
    [[{ op: 'spin', path: '/a' }], 'Unexpected kind: spin'],
    [[{ op: 'add', value: 1 }], 'operation has no path'],
    [[{ op: 'remove', path: '/list/7' }], 'array index 7 is not in a list of 1'],
    [[{ op: 'add', path: '/list/x', value: 1 }], 'array index x is not in a list of 1'],
  ])('%j fails, and the cause says why', (patch, cause) => {
    const failed = expect(() => applyJsonPatch({ a: 1, list: [1] }, patch));
    failed.toThrow(
      expect.objectContaining({
        message: 'the server rejected our request due to an error in our request',
        code: 'Invalid',
      }),
    );
    failed.toThrow(
      expect.objectContaining({
        status: expect.objectContaining({ details: { causes: [{ message: cause }] } }) as unknown,
      }),
    );
  });

  test('is bounded in operations and in what it copies', () => {
    const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(() => applyJsonPatch({ a: 1 }, many)).toThrow(
      /The allowed maximum operations in a JSON patch is 10000, got 10001/,
    );
    const doubling = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
    expect(() => applyJsonPatch({ a: ['x'.repeat(100)] }, doubling)).toThrow(
      expect.objectContaining({ code: 'Invalid' }),
    );
    expect(() => applyJsonPatch({}, { op: 'add' })).toThrow(expect.objectContaining({ code: 'BadRequest' }));
  });

  test('leaves the document as it was', () => {
    const doc = { a: { b: [1, 2] } };
    applyJsonPatch(doc, [{ op: 'remove', path: '/a/b/0' }]);
    expect(doc).toEqual({ a: { b: [1, 2] } });
  });
});

const item: Schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    value: { type: 'string' },
    tags: { type: 'array', patchStrategy: ['merge'], items: { type: 'string' } },
  },
};
const schema: Schema = {
  type: 'object',
  properties: {
    list: { type: 'array', patchStrategy: ['merge'], patchMergeKey: 'name', items: item },
    words: { type: 'array', patchStrategy: ['merge'], items: { type: 'string' } },
    whole: { type: 'array', items: item },
    map: { type: 'object', additionalProperties: { type: 'string' } },
    choice: {
      type: 'object',
      patchStrategy: ['retainKeys'],
      properties: { type: { type: 'string' }, a: { type: 'object' } },
    },
  },
};
const named = (...names: readonly string[]): JsonValue => names.map((name) => ({ name }));

describe('a strategic patch', () => {
  test.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      'merges lists by key',
      { list: [{ name: 'a', value: '1' }, { name: 'b' }] },
      { list: [{ name: 'b', value: '2' }] },
      {
        list: [
          { name: 'a', value: '1' },
          { name: 'b', value: '2' },
        ],
      },
    ],
    [
      'puts new items first, as kube-apiserver does',
      { list: named('a') },
      { list: named('b') },
      { list: named('b', 'a') },
    ],
    ['deletes items', { list: named('a', 'b') }, { list: [{ name: 'a', $patch: 'delete' }] }, { list: named('b') }],
    [
      'replaces a list',
      { list: named('a', 'b') },
      { list: [{ $patch: 'replace' }, { name: 'c' }] },
      { list: named('c') },
    ],
    ['replaces a map', { map: { a: '1' } }, { map: { $patch: 'replace', b: '2' } }, { map: { b: '2' } }],
    ['empties a map', { map: { a: '1' } }, { map: { $patch: 'delete' } }, { map: {} }],
    ['merges words', { words: ['a', 'b'] }, { words: ['c', 'a'] }, { words: ['c', 'a', 'b'] }],
    ['deletes words', { words: ['a', 'b', 'c'] }, { '$deleteFromPrimitiveList/words': ['b'] }, { words: ['a', 'c'] }],
    [
      'orders',
      { list: named('a', 'b', 'c') },
      { '$setElementOrder/list': named('c', 'a') },
      { list: named('b', 'c', 'a') },
    ],
    [
      'retains keys',
      { choice: { type: 'x', a: {} } },
      { choice: { $retainKeys: ['type'], type: 'y' } },
      { choice: { type: 'y' } },
    ],
    ['replaces lists without a strategy', { whole: named('a') }, { whole: named('b') }, { whole: named('b') }],
    [
      'drops nulls and directives of what is new',
      {},
      { map: { a: null, b: '1' }, list: [{ name: 'x', $patch: 'delete' }] },
      { map: { b: '1' }, list: [] },
    ],
    ['deletes by null', { map: { a: '1' }, words: ['x'] }, { map: null, words: null }, {}],
  ])('%s', (_title, doc, patch, expected) => {
    const frozen = JSON.stringify(doc);
    expect(applyStrategicPatch(doc, patch, schema)).toEqual(expected);
    expect(JSON.stringify(doc)).toBe(frozen);
  });

  test.each<[JsonObject, string]>([
    [{ list: [{ value: '1' }] }, 'map: map[value:1] does not contain declared merge key: name'],
    [{ map: { $patch: 'spin' } }, 'unknown patch type: spin in map: map[$patch:spin]'],
    [{ list: ['x'] }, 'list element types are not identical: [[map[name:a]] [x]]'],
    [{ choice: { $retainKeys: ['a'], type: 'y' } }, 'invalid patch format of retainKeys'],
    [{ '$setElementOrder/list': 'x' }, 'invalid patch format of setElementOrder list'],
  ])('%j is refused', (patch, message) => {
    expect(() => applyStrategicPatch({ list: named('a'), map: {}, choice: {} }, patch, schema)).toThrow(
      expect.objectContaining({ message }),
    );
  });

  test('without lists merges like a merge patch', () => {
    const plain = fc.dictionary(
      fc.string(),
      fc.oneof(fc.string(), fc.integer(), fc.dictionary(fc.string(), fc.boolean())),
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(plain, plain, (doc, patch) => {
        expect(applyStrategicPatch(doc, patch, {})).toEqual(applyMergePatch(doc, patch));
      }),
      { numRuns: 200 },
    );
  });
});
