import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { put, remove, textOf } from './conformance.ts';
import { createMemoryStore } from './memory.ts';
import { ObjectTable } from './object-table.ts';
import type { StoredObject } from './store.ts';

const object = (key: string, revision: number): StoredObject => ({
  key,
  revision,
  createRevision: revision,
  bytes: new Uint8Array(),
  index: {},
});

type Step =
  | { readonly do: 'set' | 'delete'; readonly table: number; readonly key: number }
  | { readonly do: 'fork'; readonly table: number };

const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('set', 'delete'), table: fc.nat(9), key: fc.nat(700) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fork'), table: fc.nat(9) }) },
  ),
  { maxLength: 200 },
) as fc.Arbitrary<readonly Step[]>;

const keyOf = (index: number): string => `c/g/r/n/${String(index).padStart(4, '0')}`;

test('forks never see what others write, whatever is written and forked', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const first = new ObjectTable();
      // More than one run, so that runs are split and shared.
      for (let index = 0; index < 600; index++) first.set(object(keyOf(index), 1));
      const tables = [{ table: first, model: new Map(Array.from({ length: 600 }, (_, at) => [keyOf(at), 1])) }];
      let revision = 1;
      for (const step of given) {
        const at = tables[step.table % tables.length];
        if (at === undefined) continue;
        revision++;
        if (step.do === 'fork') tables.push({ table: at.table.fork(), model: new Map(at.model) });
        else if (step.do === 'set') {
          at.table.set(object(keyOf(step.key), revision));
          at.model.set(keyOf(step.key), revision);
        } else {
          at.table.delete(keyOf(step.key));
          at.model.delete(keyOf(step.key));
        }
      }
      for (const { table, model } of tables) {
        const wanted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
        expect([...table.scan('c/')].map((one) => [one.key, one.revision])).toEqual(wanted);
        expect([table.size, table.count('c/')]).toEqual([wanted.length, wanted.length]);
        for (const [key, at] of wanted) expect(table.get(key)?.revision).toBe(at);
        expect(table.get(keyOf(701))).toBeUndefined();
      }
    }),
    { numRuns: 60, interruptAfterTimeLimit: 2_000 },
  );
});

test('a store from a frozen content goes on at its revision and leaves it alone', async () => {
  const clock = createVirtualClock({ startMs: 0 });
  const origin = createMemoryStore({ clock });
  await put(origin, 'c/g/r/n/a');
  await put(origin, 'c/g/r/n/b');
  const frozen = origin.freeze();
  await put(origin, 'c/g/r/n/a', 1, 'later');
  const copy = createMemoryStore({ clock }, frozen);
  expect([copy.revision, copy.compactedRevision]).toEqual([2, 2]);
  expect(textOf(copy.get('c/g/r/n/a'))).toBe('value@1');
  expect(() => copy.watch('c/', 1, () => undefined)).toThrow(/no longer kept/);
  expect(await remove(copy, 'c/g/r/n/b', 2)).toMatchObject({ ok: true, revision: 3 });
  expect(textOf(origin.get('c/g/r/n/b'))).toBe('value@2');
  expect(
    createMemoryStore({ clock }, frozen)
      .range('c/')
      .objects.map((one) => textOf(one)),
  ).toEqual(['value@1', 'value@2']);
});
