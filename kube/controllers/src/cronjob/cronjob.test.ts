import { afterEach, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createClient } from '@polyanthus/kube-client/rest';
import { events } from '@polyanthus/kube-kinds/core';
import { cronJobs, type CronJob } from '@polyanthus/kube-kinds/workloads';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startControllers } from '../start.ts';
import { clientAs, patiently, type World } from '../testing.ts';
import { cronJobOf, jobsOf } from './testing.ts';

let closing: (() => Promise<void>) | undefined;
afterEach(async () => closing?.());

const namespace = 'default';

/** The CronJob controller alone: Jobs are made and never run. */
async function open(): Promise<World & { readonly clock: TestClock }> {
  const clock = createTestClock();
  const random = createSeededRandom(5);
  const server = await startTestCluster({ clock, random });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(server.transport);
  const controllers = startControllers(ctx, { client, random, names: ['cronjob-controller'], freeze: true });
  closing = async () => {
    cancel();
    await controllers.stopped;
    await server.close();
  };
  return {
    ctx,
    client,
    clock,
    as: (username, ...groups) => clientAs(server.transport, username, groups),
    pass: (ms) => clock.advance(ms),
    until: (condition, what) => patiently(() => clock.until(condition, what, 200_000)),
  };
}

const scheduledOf = async (world: World, name: string): Promise<readonly (string | undefined)[]> =>
  (await jobsOf(world, namespace, name)).map(
    ({ metadata }) => metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'],
  );
const said = async (world: World): Promise<readonly (string | undefined)[]> =>
  (await world.client.list(world.ctx, events, { namespace })).items.map(({ reason }) => reason);
const resume = (world: World, name: string): Promise<CronJob> =>
  world.client.patch(world.ctx, cronJobs, { namespace, name }, { type: 'merge', body: { spec: { suspend: false } } });

it('makes up for the last time that was missed, and only within the deadline', async () => {
  const world = await open();
  const startMs = world.clock.now();
  for (const [name, spec] of [
    ['late', {}],
    ['strict', { startingDeadlineSeconds: 600 }],
  ] as const)
    await world.client.create(
      world.ctx,
      cronJobs,
      cronJobOf(namespace, name, 'i', { schedule: '0 * * * *', suspend: true, ...spec }),
    );
  // Half an hour after the third full hour.
  await world.pass(3 * 3_600_000 + 1_800_000 - (startMs % 3_600_000));
  for (const name of ['late', 'strict']) await resume(world, name);
  await world.until(async () => (await scheduledOf(world, 'late')).length > 0, 'the missed one');
  const hour = new Date(Math.floor(world.clock.now() / 3_600_000) * 3_600_000).toISOString().slice(0, 19);
  expect(await scheduledOf(world, 'late')).toEqual([`${hour}Z`]);
  expect(await scheduledOf(world, 'strict')).toEqual([]);
  await world.pass(3_600_000);
  await world.until(async () => (await scheduledOf(world, 'strict')).length === 1, 'the next one');
});

it('warns of many missed times and starts the last of them', async () => {
  const world = await open();
  await world.client.create(world.ctx, cronJobs, cronJobOf(namespace, 'often', 'i', { suspend: true }));
  await world.pass(86_400_000);
  await resume(world, 'often');
  await world.until(async () => (await scheduledOf(world, 'often')).length > 0, 'the last of them');
  await world.until(async () => (await said(world)).includes('TooManyMissedTimes'), 'the warning');
  const [first = ''] = await scheduledOf(world, 'often');
  expect(world.clock.now() - Date.parse(first)).toBeLessThan(600_000);
});
