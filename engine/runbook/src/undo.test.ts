import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestOf } from './requests.ts';
import {
  dump,
  randomRunbook,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type RandomStep,
  type World,
} from './testing.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const kinds: readonly RandomStep[] = ['holds', 'happened', 'nothing to undo', 'check', 'wait', 'approval', 'create'];
const plans = fc.array(
  fc.record({
    lanes: fc.constantFrom('once', 'each-target'),
    window: fc.integer({ min: 1, max: 4 }),
    steps: fc.array(fc.record({ kind: fc.constantFrom(...kinds), key: fc.constantFrom('value', 'a', 'b') }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  { minLength: 1, maxLength: 3 },
);

it('brings back what was there, whatever the plan and wherever it was stopped', async () => {
  await fc.assert(
    fc.asyncProperty(plans, fc.integer({ min: 0, max: 150 }), async (stages, at) => {
      await renew(world);
      const runbook = randomRunbook(stages);
      const before = await dump(world);
      const approvals = runbook.stages.flatMap((stage) => stage.steps.map((step) => step.id));
      await startRun(world, runbook, {}, { approvals });
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
