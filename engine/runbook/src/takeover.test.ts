/** An executor that was stopped and continued after another one had finished changes nothing any more. */
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reference, type Reference } from '../soak/kill-matrix.ts';
import {
  dump,
  everyKind,
  outcomes,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  type World,
} from './testing.ts';

const spec = { approvals: ['ask'] };
const runbooks = [everyKind];
let world: World;
let expected: Reference;
beforeAll(async () => {
  world = await startWorld();
  expected = await reference(world, { name: 'alone', runbook: everyKind, parameters: {}, spec });
});
afterAll(() => world.close());

const random = createSeededRandom(11);

it.each(Array.from({ length: 12 }, (_one, index) => index + 1))('a stopped executor is fenced (%i)', async () => {
  await renew(world);
  await startRun(world, everyKind, {}, spec);
  const at = Math.floor(random.float() * expected.requests);
  let tookOver = false;
  const late: string[] = [];
  const first = startExecutor({
    world,
    runbooks,
    run: 'r1',
    identity: 'stopped',
    fate: { at, how: 'stop' },
    tap: async (request) => {
      if (tookOver && request.method !== 'GET') late.push(`${request.method} ${request.url}`);
      return undefined;
    },
  });
  await world.clock.until(first.struck, 'the stop');
  const second = await settled(world.clock, startExecutor({ world, runbooks, run: 'r1', identity: 'heir' }).ended);
  expect(second.status?.phase).toBe('Succeeded');
  const [maps, steps] = [await dump(world), await outcomes(world)];
  expect(maps).toEqual(expected.dump);

  tookOver = true;
  first.go();
  const outcome = await settled(
    world.clock,
    first.ended.then(
      (run) => run.status?.phase,
      (error: { code: string }) => error.code,
    ),
  );
  expect(['RunTakenOver', 'Succeeded'], `at ${at}`).toContain(outcome);
  expect(await dump(world), `at ${at}: ${late.join('; ')}`).toEqual(maps);
  expect(await outcomes(world)).toEqual(steps);
});
