import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyDefaults } from './defaults.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { prune } from './prune.ts';
import { schemaFromCrd } from './schema-from.ts';
import { structuralErrors } from './structural-errors.ts';
import { badSchemas } from './structural-cases.ts';
import { validate } from './validate.ts';
import { badSpecs, crdSchema, goodSpecs } from './validation-cases.ts';

const schema = schemaFromCrd(crdSchema);
const thing = (spec: JsonValue): JsonObject => ({
  apiVersion: 'x.io/v1',
  kind: 'Thing',
  metadata: { name: 'a' },
  spec,
});
const matches = (pattern: string, text: string): boolean => pattern === '^[a-z]+$' && /^[a-z]+$/.test(text);
const faults = (spec: JsonValue, previous?: JsonValue): string[] =>
  validate(thing(spec), schema, previous === undefined ? undefined : thing(previous), { matches }).map(
    ({ field, message }) => `${field}: ${message}`,
  );

describe('validation', () => {
  test.each(Object.entries(badSpecs))('finds fault when the spec %s', (_title, spec) => {
    expect(faults(spec)).not.toEqual([]);
  });

  test.each<[JsonValue, string[]]>([
    [{}, ['spec.kind: Required value']],
    [{ kind: 'C' }, ['spec.kind: Unsupported value: "C": supported values: "A", "B"']],
    [
      { kind: 'A', replicas: 'three' },
      ['spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
    ],
    [
      { kind: 'A', replicas: 0 },
      ['spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1'],
    ],
    [{ kind: 'A', name: 'AB' }, ['spec.name: Invalid value: "AB": spec.name in body should match \'^[a-z]+$\'']],
    [{ kind: 'A', name: 'abcde' }, ['spec.name: Too long: may not be more than 4 bytes']],
    [{ kind: 'A', words: ['a', 'a'] }, ['spec.words[1]: Duplicate value: "a"']],
    [
      { kind: 'A', items: [{ name: 'a' }, { name: 'a', proto: 'TCP' }] },
      ['spec.items[1]: Duplicate value: {"name":"a","proto":"TCP"}'],
    ],
    [{ kind: 'A', address: 'x' }, ['spec.address: Invalid value: "x": spec.address in body must be of type ipv4: "x"']],
    [{ kind: 'A', never: { x: '1' } }, ['<nil>: Invalid value: "": "spec.never" must not validate the schema (not)']],
  ])('of %j says what kube-apiserver says', (spec, expected) => {
    expect(faults(spec)).toEqual(expected);
  });

  test('does not run patterns when nobody can match them', () => {
    expect(validate(thing({ kind: 'A', name: 'AB' }), schema)).toEqual([]);
  });

  test('forgives what did not change', () => {
    const old = { kind: 'C', replicas: 0, items: [{ name: 'a', value: 'x' }], words: ['a', 'a'] };
    expect(faults({ ...old, flag: true }, old)).toEqual([]);
    expect(faults({ ...old, replicas: -1 }, old)).toEqual([
      'spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 1',
    ]);
    const moved = { ...old, items: [{ name: 'b' }, { name: 'a', value: 'x' }] };
    expect(faults(moved, old)).toEqual([]);
  });
});

describe('pruning and defaulting', () => {
  test.each(goodSpecs)('stores %s', (_title, sent, stored) => {
    const object = thing(sent);
    const { value, unknown } = prune(object, schema);
    const result = applyDefaults(value, schema);
    expect(result['spec']).toEqual(stored);
    expect(faults(result['spec'] ?? null)).toEqual([]);
    expect(applyDefaults(result, schema)).toBe(result);
    expect(prune(result, schema)).toEqual({ value: result, unknown: [] });
    if (JSON.stringify(value) === JSON.stringify(object)) expect(unknown).toEqual([]);
  });

  test('names unknown fields by path', () => {
    const { unknown } = prune(
      thing({ kind: 'A', zzz: 1, items: [{ name: 'a' }, { name: 'b', q: 1 }], free: { known: { c: 1 } } }),
      schema,
    );
    expect(unknown).toEqual(['spec.zzz', 'spec.items[1].q', 'spec.free.known.c']);
  });

  test('of any value ends, and a second time changes nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>, (spec) => {
        const once = applyDefaults(prune(thing(spec), schema).value, schema);
        expect(applyDefaults(prune(once, schema).value, schema)).toEqual(once);
        expect(validate(once, schema, once)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a structural schema', () => {
  test('has no errors', () => {
    expect(structuralErrors(crdSchema, 'spec')).toEqual([]);
  });

  test.each(Object.entries(badSchemas))('is none when it %s', (_title, given) => {
    expect(structuralErrors(given, 'spec')).not.toEqual([]);
  });

  test('is told from others in words', () => {
    const given = { type: 'object', properties: { a: { type: 'array' }, b: { allOf: [{ type: 'string' }] } } };
    expect(structuralErrors(given, 's').map(({ field, message }) => `${field}: ${message}`)).toEqual([
      's.properties[a].items: Required value: must be specified',
      's.properties[b].allOf[0].type: Forbidden: must be empty to be structural',
      's.properties[b].type: Required value: must not be empty for specified object fields',
    ]);
  });

  test('that is absent keeps everything', () => {
    const open = schemaFromCrd(undefined);
    expect(prune({ ...thing({ x: { y: 1 } }), other: [1] }, open).unknown).toEqual([]);
    expect(prune({ metadata: { name: 'a', zzz: 1 } }, open).unknown).toEqual(['metadata.zzz']);
  });
});
