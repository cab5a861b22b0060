import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestOf } from './requests.ts';
import {
  dump,
  keysRunbook,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type World,
} from './testing.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const plans = fc.array(
  fc.record({
    window: fc.integer({ min: 1, max: 4 }),
    keys: fc.array(fc.constantFrom('value', 'a', 'b'), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 3 },
);

it('brings back what was there, whatever the plan and wherever it was stopped', async () => {
  await fc.assert(
    fc.asyncProperty(plans, fc.integer({ min: 0, max: 150 }), async (stages, at) => {
      await renew(world);
      const runbook = keysRunbook(stages);
      const before = await dump(world);
      await startRun(world, runbook, {});
      const start = (identity: string, fate = {}) =>
        startExecutor({ world, runbooks: [runbook], run: 'r1', identity, fate });
      const first = start('first', { at, how: 'after' });
      let ended = false;
      first.ended.finally(() => (ended = true)).catch(() => undefined);
      await world.clock.until(() => ended || first.struck(), 'its end');
      first.bury();
      await requestOf(
        world.ctx,
        world.client,
        { namespace: testNamespace, name: 'r1' },
        { kind: 'undo', to: undefined },
      );
      const run = await settled(world.clock, start('second').ended);
      expect(run.status?.phase).toBe('Undone');
      expect(await dump(world)).toEqual(before);
    }),
    { interruptAfterTimeLimit: 2000, numRuns: 40 },
  );
});
