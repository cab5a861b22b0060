import { describe, expect, test } from 'vitest';
import { humanDuration } from './ages.ts';
import { crdColumns } from './columns.ts';
import { builtinColumns } from './printers.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test.each([
  [-2 * second, '<invalid>'],
  [-second / 2, '0s'],
  [90 * second, '90s'],
  [2 * minute, '2m'],
  [3 * minute + 20 * second, '3m20s'],
  [15 * minute + 20 * second, '15m'],
  [179 * minute, '179m'],
  [3 * hour + 5 * minute, '3h5m'],
  [9 * hour, '9h'],
  [2 * day + 3 * hour, '2d3h'],
  [30 * day, '30d'],
  [800 * day, '2y70d'],
  [4000 * day, '10y'],
])('%d ms are %s', (durationMs, text) => {
  expect(humanDuration(durationMs)).toBe(text);
});

describe('columns of a custom kind', () => {
  const object = {
    metadata: { name: 'n', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { count: 3, ratio: 0.5, flag: true, map: { b: 1, a: [1, 'x'] }, since: '2026-01-01T00:00:00Z', bad: 'x' },
  };
  const nowMs = Date.parse('2026-01-01T00:01:00Z');
  const cell = (type: string, jsonPath: string): unknown =>
    crdColumns([{ name: 'C', type, jsonPath }])[1]?.cell(object, nowMs);

  test.each([
    ['integer', '.spec.count', 3],
    ['integer', '.spec.ratio', 0],
    ['integer', '.spec.flag', null],
    ['number', '.spec.ratio', 0.5],
    ['boolean', '.spec.flag', true],
    ['string', '.spec.count', '3'],
    ['string', '.spec.map', 'map[a:[1 x] b:1]'],
    ['date', '.spec.since', '60s'],
    ['date', '.spec.bad', '<invalid>'],
    ['string', '.spec.absent', null],
    ['string', '.spec[', null],
  ])('%s %s', (type, path, expected) => {
    expect(cell(type, path)).toEqual(expected);
  });

  test('are NAME and AGE when it declares none', () => {
    const columns = crdColumns(undefined);
    expect(columns.map(({ name, type }) => [name, type])).toEqual([
      ['Name', 'string'],
      ['Age', 'date'],
    ]);
    expect(columns.map((column) => column.cell(object, nowMs))).toEqual(['n', '60s']);
  });
});

test('a pod shows what its containers do', () => {
  const cells = (status: object): unknown[] =>
    builtinColumns({ group: '', resource: 'pods' })
      .slice(1, 4)
      .map((column) =>
        column.cell(
          { metadata: { name: 'p' }, spec: { containers: [{ name: 'a' }, { name: 'b' }] }, status: { ...status } },
          Date.parse('2026-01-01T01:00:00Z'),
        ),
      );
  const running = { ready: true, restartCount: 0, state: { running: {} } };
  expect(cells({ phase: 'Pending' })).toEqual(['0/2', 'Pending', '0']);
  expect(cells({ phase: 'Running', containerStatuses: [running, running] })).toEqual(['2/2', 'Running', '0']);
  const crashed = {
    restartCount: 2,
    ready: false,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { finishedAt: '2026-01-01T00:55:00Z' } },
  };
  expect(cells({ phase: 'Running', containerStatuses: [running, crashed] })).toEqual([
    '1/2',
    'CrashLoopBackOff',
    '2 (5m ago)',
  ]);
});
