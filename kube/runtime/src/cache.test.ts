import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ObjectCache } from './cache.ts';
import { joinKey, splitKey } from './keys.ts';

it('finds by index exactly what a scan finds, whatever was put and removed', () => {
  const object = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    colours: fc.subarray(['red', 'green', 'blue']),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 20 }), (steps) => {
      const cache = new ObjectCache({
        colour: (each: { apiVersion: string; kind: string; metadata: { name: string }; colours: string[] }) =>
          each.colours,
      });
      for (const { name, colours, remove } of steps) {
        if (remove) cache.remove(name);
        else cache.put({ apiVersion: 'v1', kind: 'Thing', metadata: { name }, colours });
      }
      for (const colour of ['red', 'green', 'blue']) {
        const scanned = cache.list().filter((each) => each.colours.includes(colour));
        expect(new Set(cache.byIndex('colour', colour))).toEqual(new Set(scanned));
      }
    }),
    { interruptAfterTimeLimit: 1500 },
  );
});

it('refuses an index that was not declared', () => {
  expect(() => new ObjectCache({}).byIndex('nope', 'x')).toThrow('no index "nope"');
});

it('joins and splits keys', () => {
  expect(joinKey('a', 'b')).toBe('a/b');
  expect(joinKey(undefined, 'b')).toBe('b');
  expect(splitKey('a/b')).toEqual({ namespace: 'a', name: 'b' });
  expect(splitKey('b')).toEqual({ name: 'b' });
});
