import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldSet, pathText } from './field-set.ts';
import { applyConfiguration, trackUpdate } from './managed-fields.ts';
import type { JsonObject, JsonValue, ManagedFieldsEntry } from './meta.ts';
import { schemaFromCrd } from './schema-from.ts';

const text = { type: 'string' };
const schema = schemaFromCrd({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: text,
        b: text,
        map: { type: 'object', additionalProperties: text },
        whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', additionalProperties: text },
        words: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: text, v: text, w: text } },
        },
        list: { type: 'array', items: text },
      },
    },
    status: { type: 'object', properties: { ok: text } },
  },
});

const now = '2026-01-01T00:00:00Z';
const object = (spec: JsonObject | undefined): JsonObject => ({
  apiVersion: 'x.io/v1',
  kind: 'X',
  metadata: { name: 'a' },
  ...(spec === undefined ? {} : { spec }),
});
const apply = (
  live: JsonObject | undefined,
  manager: string,
  spec: JsonObject | undefined,
  force = false,
): JsonObject => applyConfiguration({ live, config: object(spec), schema, manager, force, now, apiVersion: 'x.io/v1' });
const update = (before: JsonObject | undefined, spec: JsonObject, manager: string): JsonObject =>
  trackUpdate({
    before,
    after: { ...(before ?? object(undefined)), spec },
    schema,
    manager,
    now,
    apiVersion: 'x.io/v1',
  });

const entries = (value: JsonObject): readonly ManagedFieldsEntry[] =>
  ((value['metadata'] as JsonObject)['managedFields'] ?? []) as unknown as readonly ManagedFieldsEntry[];
const fieldsOf = (value: JsonObject, manager: string): string[] =>
  FieldSet.fromFieldsV1(entries(value).find((entry) => entry.manager === manager)?.fieldsV1 ?? {})
    .paths()
    .map(pathText);

describe('apply', () => {
  test('owns what it set, and nothing else', () => {
    const made = apply(undefined, 'one', {
      a: '1',
      map: { x: 'y' },
      items: [{ name: 'n', v: '1' }],
      words: ['w'],
      whole: { q: 'r' },
    });
    expect(fieldsOf(made, 'one')).toEqual([
      '.spec.a',
      '.spec.items[name="n"]',
      '.spec.items[name="n"].name',
      '.spec.items[name="n"].v',
      '.spec.map.x',
      '.spec.whole',
      '.spec.words[="w"]',
    ]);
    expect(entries(made)).toMatchObject([
      { manager: 'one', operation: 'Apply', apiVersion: 'x.io/v1', time: now, fieldsType: 'FieldsV1' },
    ]);
  });

  test('removes what it set before and does not set any more', () => {
    const made = apply(undefined, 'one', { a: '1', map: { x: 'y' }, items: [{ name: 'n' }, { name: 'm' }] });
    expect(apply(made, 'one', { items: [{ name: 'm' }] })['spec']).toEqual({ items: [{ name: 'm' }] });
    expect(apply(made, 'one', undefined)['spec']).toBeUndefined();
  });

  test('leaves what another manager owns too', () => {
    const both = apply(apply(undefined, 'one', { a: '1', items: [{ name: 'n', v: '1' }] }), 'two', {
      items: [{ name: 'n', w: '2' }],
    });
    const left = apply(both, 'one', {});
    expect(left['spec']).toEqual({ items: [{ name: 'n', w: '2' }] });
    expect(fieldsOf(left, 'two')).toEqual(fieldsOf(both, 'two'));
  });

  test('conflicts name managers and fields as kube-apiserver does', () => {
    const live = update(apply(undefined, 'one', { a: '1' }), { a: '1', b: '2' }, 'kubectl-client-side-apply');
    const attempt = (spec: JsonObject) => () => apply(live, 'two', spec);
    expect(attempt({ b: '3' })).toThrow(
      expect.objectContaining({
        message: 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using x.io/v1: .spec.b',
        code: 'Conflict',
      }),
    );
    expect(attempt({ a: '3', b: '3' })).toThrow(
      'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using x.io/v1:\n- .spec.b\nconflicts with "one":\n- .spec.a',
    );
    const forced = apply(live, 'two', { a: '3', b: '3' }, true);
    expect([fieldsOf(forced, 'one'), fieldsOf(forced, 'two')]).toEqual([[], ['.spec.a', '.spec.b']]);
  });

  test('of the same value is shared, not a conflict', () => {
    const live = apply(apply(undefined, 'one', { a: '1' }), 'two', { a: '1' });
    expect([fieldsOf(live, 'one'), fieldsOf(live, 'two')]).toEqual([['.spec.a'], ['.spec.a']]);
  });

  test('weaves lists: the applied order, the others in their places', () => {
    const live = update(undefined, { items: [{ name: 'a' }, { name: 'x' }, { name: 'b' }] }, 'u');
    const merged = apply(live, 'one', { items: [{ name: 'b' }, { name: 'new' }, { name: 'a' }] });
    expect(merged['spec']).toEqual({ items: [{ name: 'x' }, { name: 'b' }, { name: 'new' }, { name: 'a' }] });
  });

  test.each<[string, JsonObject, string]>([
    [
      'another version',
      { apiVersion: 'x.io/v2', kind: 'X', metadata: { name: 'a' } },
      'invalid object type: x.io/v2, Kind=X',
    ],
    [
      'managedFields',
      { ...object({}), metadata: { name: 'a', managedFields: [] } },
      'metadata.managedFields must be nil',
    ],
    [
      'an unknown field',
      object({ zzz: 1 }),
      'failed to create typed patch object (/a; x.io/v1, Kind=X): .spec.zzz: field not declared in schema',
    ],
    [
      'a repeated key',
      object({ items: [{ name: 'n' }, { name: 'n' }] }),
      'failed to create typed patch object (/a; x.io/v1, Kind=X): .spec.items: duplicate entries for key [name="n"]',
    ],
  ])('refuses %s', (_title, config, message) => {
    const run = () =>
      applyConfiguration({ live: undefined, config, schema, manager: 'one', force: false, now, apiVersion: 'x.io/v1' });
    expect(run).toThrow(expect.objectContaining({ message }));
  });

  test('does not own what its endpoint never writes', () => {
    const config = { ...object({ a: '1' }), status: { ok: 'yes' } };
    const made = applyConfiguration({
      live: undefined,
      config,
      schema,
      manager: 'one',
      force: false,
      now,
      apiVersion: 'x.io/v1',
      resetFields: [['status']],
    });
    expect(fieldsOf(made, 'one')).toEqual(['.spec.a']);
  });

  test('by kubectl takes over what client-side apply set', () => {
    const last = JSON.stringify(object({ a: '1' }));
    const annotated = {
      ...object({ a: '1' }),
      metadata: { name: 'a', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': last } },
    };
    const live = trackUpdate({
      before: undefined,
      after: annotated,
      schema,
      manager: 'kubectl-client-side-apply',
      now,
      apiVersion: 'x.io/v1',
    });
    const taken = apply(live, 'kubectl', { a: '2' });
    expect(taken['spec']).toEqual({ a: '2' });
    const { annotations } = taken['metadata'] as JsonObject;
    expect(JSON.parse(String((annotations as JsonObject)['kubectl.kubernetes.io/last-applied-configuration']))).toEqual(
      object({ a: '2' }),
    );
    expect(() => apply(live, 'other', { a: '2' })).toThrow(expect.objectContaining({ code: 'Conflict' }));
  });
});

describe('tracking', () => {
  test('gives changed fields to their last writer', () => {
    const live = update(update(undefined, { a: '1', b: '1' }, 'one'), { a: '2', b: '1' }, 'two');
    expect([fieldsOf(live, 'one'), fieldsOf(live, 'two')]).toEqual([['.spec', '.spec.b'], ['.spec.a']]);
  });

  test('of a write that changes nothing keeps the times', () => {
    const live = update(undefined, { a: '1' }, 'one');
    const again = trackUpdate({
      before: live,
      after: live,
      schema,
      manager: 'one',
      now: '2027-01-01T00:00:00Z',
      apiVersion: 'x.io/v1',
    });
    expect(again).toEqual(live);
  });

  test('ends when a client asks for it', () => {
    const live = update(undefined, { a: '1' }, 'one');
    const reset = trackUpdate({
      before: live,
      after: { ...live, metadata: { name: 'a', managedFields: [] } },
      schema,
      manager: 'two',
      now,
      apiVersion: 'x.io/v1',
    });
    expect(entries(reset)).toEqual([]);
    expect(entries(update(reset, { a: '2' }, 'two'))).toEqual([]);
  });

  test('keeps subresources apart', () => {
    const live = update(undefined, { a: '1' }, 'one');
    const after = { ...live, status: { ok: 'yes' } };
    const tracked = trackUpdate({
      before: live,
      after,
      schema,
      manager: 'one',
      now,
      apiVersion: 'x.io/v1',
      subresource: 'status',
      resetFields: [['spec']],
    });
    expect(entries(tracked).map(({ manager, subresource }) => [manager, subresource])).toEqual([
      ['one', undefined],
      ['one', 'status'],
    ]);
  });
});

const word = fc.constantFrom('p', 'q', 'r');
const spec = fc.record(
  {
    a: word,
    b: word,
    map: fc.dictionary(word, word),
    words: fc.uniqueArray(word),
    items: fc.uniqueArray(fc.record({ name: word, v: word, w: word }, { requiredKeys: ['name'] }), {
      selector: (item) => item.name,
    }),
    list: fc.array(word, { maxLength: 2 }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<JsonObject>;

describe('for any configurations', () => {
  test('applying twice is applying once', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const live = apply(update(undefined, first, 'u'), 'one', second, true);
        expect(apply(live, 'one', second)).toEqual(live);
      }),
      { numRuns: 200 },
    );
  });

  test('the result holds what was applied, owned by the applier', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const live = apply(apply(undefined, 'one', first), 'two', second, true);
        const alone = apply(undefined, 'two', second);
        expect(fieldsOf(live, 'two')).toEqual(fieldsOf(alone, 'two'));
        const scalars = (value: JsonObject): JsonValue[] =>
          ['a', 'b'].map((key) => (value['spec'] as JsonObject | undefined)?.[key] ?? null);
        expect(scalars(live).map((value, index) => (scalars(alone)[index] === null ? null : value))).toEqual(
          scalars(alone),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('a manager that leaves takes only its own along', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const both = apply(apply(undefined, 'one', first), 'two', second, true);
        const left = apply(both, 'one', undefined);
        expect(fieldsOf(left, 'one')).toEqual([]);
        expect(fieldsOf(left, 'two')).toEqual(fieldsOf(both, 'two'));
        const gone = apply(left, 'two', undefined);
        expect(entries(gone)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('FieldsV1 reads as it was written', () => {
    fc.assert(
      fc.property(spec, (given) => {
        for (const { fieldsV1 } of entries(apply(undefined, 'one', given))) {
          expect(FieldSet.fromFieldsV1(fieldsV1 ?? {}).toFieldsV1()).toEqual(fieldsV1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
