/** A seeded sample of the kill matrix; `npm run soak:runbook` is all of it. */
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killed, reference, subjects, type Reference } from '../soak/kill-matrix.ts';
import type { Runbook } from './runbook.ts';
import { everyKind, startWorld, testNamespace, type Fate, type World } from './testing.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_name, subject) => {
  let expected: Reference;
  beforeAll(async () => {
    expected = await reference(world, subject);
  });
  const random = createSeededRandom(subject.name.length);
  const fate = (): Fate => ({
    at: Math.floor(random.float() * expected.requests),
    how: random.float() < 0.5 ? 'before' : 'after',
  });

  it.each(Array.from({ length: 6 }, (_one, index) => index + 1))('ends as if nobody had killed it (%i)', async () => {
    const fates = [fate()];
    const { defects } = await killed(world, subject, expected, fates);
    expect(defects, JSON.stringify(fates)).toEqual([]);
  });

  it.each([1, 2])('ends as if nobody had killed it and its successor (%i)', async () => {
    const fates = [fate(), fate()];
    const { defects } = await killed(world, subject, expected, fates);
    expect(defects, JSON.stringify(fates)).toEqual([]);
  });
});

it('would find an action without an intent', async () => {
  const careless: Runbook = {
    ...everyKind,
    stages: [
      {
        id: 'each',
        title: 'each',
        lanes: 'each-target',
        steps: [
          {
            id: 'look',
            kind: 'check',
            title: 'changes while it looks',
            deadline: 1000,
            proof: {
              sentence: 'none',
              observe: async (ctx, scope) => {
                const key = { namespace: testNamespace, name: scope.target?.name ?? '' };
                await scope.client.patch(ctx, configMaps, key, { type: 'merge', body: { data: { careless: 'yes' } } });
                return { ok: true, evidence: 'done' };
              },
            },
          },
        ],
      },
    ],
  };
  const subject = { name: 'careless', runbook: careless, parameters: {}, spec: {} };
  const { defects } = await killed(world, subject, await reference(world, subject), []);
  expect(defects.filter((one) => one.startsWith('no intent covers PATCH'))).toHaveLength(3);
});
