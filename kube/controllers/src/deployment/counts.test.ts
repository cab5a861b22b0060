import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deployment, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { fenceposts, newSetSize, sizeOf, sum } from './counts.ts';
import { proportions } from './scaling.ts';
import { sizeAnnotations } from './revision.ts';

type Rolling = NonNullable<NonNullable<Deployment['spec']['strategy']>['rollingUpdate']>;
const deployment = (replicas: number, rollingUpdate: Rolling = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    replicas,
    selector: {},
    template: { spec: { containers: [] } },
    strategy: { type: 'RollingUpdate', rollingUpdate },
  },
});
const set = (name: string, replicas: number, annotations: Readonly<Record<string, string>> = {}): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name, annotations },
  spec: { replicas, selector: {} },
});

describe('fenceposts', () => {
  it.each([
    [10, {}, 3, 2],
    [3, {}, 1, 0],
    [1, { maxSurge: 0, maxUnavailable: '25%' }, 0, 1],
    [4, { maxSurge: '100%', maxUnavailable: 0 }, 4, 0],
    [2, { maxSurge: 1, maxUnavailable: 5 }, 1, 2],
  ] as const)('%i replicas with %o: surge %i, unavailable %i', (replicas, rolling, maxSurge, maxUnavailable) => {
    expect(fenceposts(deployment(replicas, rolling))).toEqual({ maxSurge, maxUnavailable });
  });
});

describe('newSetSize', () => {
  it.each([
    [10, 10, 0, 3],
    [10, 8, 3, 5],
    [10, 13, 0, 0],
    [10, 0, 7, 10],
  ])('%i wanted, %i old, %i new: %i', (replicas, old, current, expected) => {
    expect(newSetSize(deployment(replicas), old, current)).toBe(expected);
  });
});

describe('proportions', () => {
  it('gives growth to sets by their size', () => {
    const sizes = sizeAnnotations(deployment(10));
    const scaled = proportions(deployment(15), [set('old', 8, sizes), set('new', 5, sizes)]);
    expect(scaled.map(([each, size]) => [each.metadata.name, size])).toEqual([
      ['old', 12],
      ['new', 7],
    ]);
  });

  it('always gives out exactly what is allowed and never less than nothing', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        (current, before, wanted) => {
          const annotations = sizeAnnotations(deployment(before));
          const sets = current.map((size, index) => set(`s${index}`, size, annotations));
          const target = deployment(wanted);
          const scaled = proportions(target, sets);
          const allowed = wanted + fenceposts(target).maxSurge;
          expect(scaled.every(([, size]) => size >= 0)).toBe(true);
          if (sum(sets, sizeOf) <= allowed) expect(scaled.reduce((total, [, size]) => total + size, 0)).toBe(allowed);
        },
      ),
      { interruptAfterTimeLimit: 1500 },
    );
  });
});
