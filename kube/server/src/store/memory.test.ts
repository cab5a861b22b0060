import { expect, test } from 'vitest';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { describeStore, put } from './conformance.ts';
import { createMemoryStore } from './memory.ts';

describeStore('the memory store', () => ({ open: (options) => Promise.resolve(createMemoryStore(options)) }), 300);

test('one watcher that throws does not keep others from hearing', async () => {
  const store = createMemoryStore({ clock: createVirtualClock({ startMs: 0 }) });
  const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
  const heard: number[] = [];
  store.watch('', 0, () => {
    throw new Error('a defect');
  });
  store.watch('', 0, (event) => heard.push(event.revision));
  await put(store, 'c/g/r/n/a');
  expect(heard).toEqual([1]);
  await uncaught;
});

test('stays in order with many objects and clusters', async () => {
  const store = createMemoryStore({ clock: createVirtualClock({ startMs: 0 }) });
  const keys = Array.from(
    { length: 10_000 },
    (_, index) => `c${index % 50}/g/r${index % 3}/n/x${(index * 7919) % 10_007}`,
  );
  await Promise.all(keys.map((key) => put(store, key)));
  const sorted = [...keys].sort();
  expect(store.range('').objects.map((object) => object.key)).toEqual(sorted);
  expect(store.range('c7/').objects.map((object) => object.key)).toEqual(sorted.filter((key) => key.startsWith('c7/')));
});
