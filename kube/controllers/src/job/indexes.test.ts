import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { afterEnds, backoffMs, noBackoff } from './backoff.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';

it.each([
  [[], ''],
  [[3], '3'],
  [[0, 1], '0,1'],
  [[0, 1, 2, 5, 7, 8], '0-2,5,7,8'],
])('writes %o as "%s"', (indexes, text) => {
  expect(formatIndexes(indexes)).toBe(text);
  expect([...parseIndexes(text, 10)]).toEqual(indexes);
});

it('reads back what it wrote, and never an index beyond the limit', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200)), fc.nat(200), (indexes, limit) => {
      const back = parseIndexes(formatIndexes(indexes), limit);
      expect([...back]).toEqual(indexes.filter((index) => index < limit).sort((a, b) => a - b));
    }),
    { interruptAfterTimeLimit: 1000 },
  );
  expect(parseIndexes('x,1-', 10).size).toBe(0);
});

it('waits ten seconds after the first failure, doubling, and forgets with a success', () => {
  const ended = (atMs: number): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {},
    spec: { containers: [] },
    status: {
      containerStatuses: [
        {
          name: 'c',
          ready: false,
          restartCount: 0,
          image: '',
          imageID: '',
          state: { terminated: { exitCode: 1, finishedAt: new Date(atMs).toISOString() } },
        },
      ],
    },
  });
  const one = afterEnds(noBackoff, [], [ended(1000)]);
  expect(backoffMs(one, 1000)).toBe(10_000);
  const three = afterEnds(one, [], [ended(2000), ended(3000)]);
  expect(backoffMs(three, 3000)).toBe(40_000);
  expect(backoffMs({ failures: 30, lastMs: 0 }, 0)).toBe(600_000);
  expect(backoffMs(afterEnds(three, [ended(4000)], [ended(2000)]), 4000)).toBe(0);
  expect(afterEnds(three, [ended(4000)], [ended(5000)])).toEqual({ failures: 1, lastMs: 5000 });
});
