/** An executor that was stopped and continued after another one had finished changes nothing any more. */
import type { HttpRequest } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reference, stopped, subjects, type Reference } from '../soak/kill-matrix.ts';
import { requestOf } from './requests.ts';
import {
  dump,
  everyKind,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type Fate,
  type World,
} from './testing.ts';

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
  const random = createSeededRandom(11);

  it.each(Array.from({ length: 8 }, (_one, index) => index + 1))('fences who was stopped (%i)', async () => {
    const at = Math.floor(random.float() * expected.requests);
    const { defects } = await stopped(world, subject, expected, { at });
    expect(defects, `stopped at ${at}`).toEqual([]);
  });
});

it('has fenced the stopped one as soon as it has taken over, before it does anything itself', async () => {
  const key = { namespace: testNamespace, name: 'r1' };
  await renew(world);
  await startRun(world, everyKind, {}, { approvals: ['ask'] });
  const start = (identity: string, fate: Fate = {}) =>
    startExecutor({ world, runbooks: [everyKind], run: 'r1', identity, fate });
  const isFirstChange = (request: HttpRequest): boolean =>
    request.method === 'PATCH' && /"first"/.test(Buffer.from(request.body as Uint8Array).toString());
  const first = start('stopped', { when: isFirstChange, how: 'stop' });
  await world.clock.until(first.struck, 'the stop');
  await requestOf(world.ctx, world.client, key, { kind: 'pause' });
  const heir = start('heir');
  await world.clock.until(() => heir.events.some((event) => event.event === 'taken'), 'the takeover');
  await world.clock.advance(1000);
  const before = await dump(world);
  first.go();
  await expect(settled(world.clock, first.ended)).rejects.toMatchObject({ code: 'RunTakenOver' });
  expect(await dump(world)).toEqual(before);
  expect(before).toMatchObject({ m0: { data: { value: 'v0' } } });
  await requestOf(world.ctx, world.client, key, { kind: 'resume' });
  expect((await settled(world.clock, heir.ended)).status?.phase).toBe('Succeeded');
});

it('takes back what it creates too late, when the step has been undone meanwhile', async () => {
  const [, undone] = subjects;
  if (undone === undefined) throw new Error('no such subject');
  const expected = await reference(world, undone);
  const { defects, struck } = await stopped(world, undone, expected, {
    when: (request) => request.method === 'POST' && request.url.includes('/configmaps'),
  });
  expect(struck).toBe(1);
  expect(defects).toEqual([]);
});
