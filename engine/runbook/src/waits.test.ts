/** What a run waits for: time, an answer to a question, and a step that it does not have. */
import { sleep } from '@polyanthus/ground-base/context';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { explain } from './explain.ts';
import { requestOf, type RunRequest } from './requests.ts';
import { defectsOf, type ActionStep, type Runbook } from './runbook.ts';
import {
  dump,
  everyKind,
  renew,
  setKey,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type World,
} from './testing.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld(2);
});
beforeEach(() => renew(world, 2));
afterAll(() => world.close());

const key = { namespace: testNamespace, name: 'r1' };
const hourMs = 3_600_000;
const read = (): Promise<Run> => world.client.get(world.ctx, runs, key);
const ask = (request: RunRequest): Promise<Run> => requestOf(world.ctx, world.client, key, request);
const stage = (steps: Runbook['stages'][number]['steps']): Runbook['stages'] => [
  { id: 'each', title: 'each', lanes: 'each-target', window: 2, steps },
];

const soaking: Runbook = {
  ...everyKind,
  id: 'soaking',
  parameters: [{ name: 'soak', type: 'duration', help: 'how long', default: hourMs }],
  stages: stage([
    setKey('first', 'first', '1'),
    { id: 'soak', kind: 'wait', title: 'soak', duration: { parameter: 'soak' } },
    setKey('second', 'second', '2'),
  ]),
};

it('lets time pass once, whoever carries the wait on, and undoes what is around it', async () => {
  const before = await dump(world);
  await startRun(world, soaking, {});
  const start = (identity: string) => startExecutor({ world, runbooks: [soaking], run: 'r1', identity });
  const beganMs = world.clock.now();
  const first = start('a');
  await world.clock.until(() => first.events.filter((one) => one.step?.startsWith('soak') === true).length === 2, 'it');
  await world.clock.advance(hourMs / 2);
  first.bury();
  expect((await settled(world.clock, start('b').ended)).status?.phase).toBe('Succeeded');
  const tookMs = world.clock.now() - beganMs;
  expect(tookMs).toBeGreaterThanOrEqual(hourMs);
  expect(tookMs).toBeLessThan(1.1 * hourMs);
  await ask({ kind: 'undo', to: undefined });
  expect((await settled(world.clock, start('c').ended)).status?.phase).toBe('Undone');
  expect(await dump(world)).toEqual(before);
});

/** Wants a key that it does not set itself, unless it may. */
const blocked: ActionStep = setKey('force', 'forced', 'yes', {
  question: { id: 'overrule', title: 'may it be forced', parameter: 'ask' },
  act: async (ctx, scope) => {
    while (!(await scope.ask('somebody says no'))) await new Promise<void>((go) => void ctx.clock.after(1000, go));
    await scope.change('force', () => ({ data: { forced: 'yes' } }));
  },
});
const asking: Runbook = {
  ...everyKind,
  id: 'asking',
  parameters: [{ name: 'ask', type: 'boolean', help: 'ask', default: true }],
  stages: stage([blocked]),
};

it('asks while it acts, says so, and goes on for the targets that were approved', async () => {
  expect([...defectsOf(asking), ...defectsOf(soaking)]).toEqual([]);
  expect(explain(asking)).toContain('may ask: may it be forced (where ask is set)');
  await startRun(world, asking, {});
  const running = startExecutor({ world, runbooks: [asking], run: 'r1', identity: 'a' });
  await world.clock.until(async () => (await read()).status?.phase === 'Waiting', 'the question');
  expect((await read()).status?.waitingFor).toEqual(['overrule/m0', 'overrule/m1']);
  await ask({ kind: 'approve', steps: ['overrule/m1'] });
  const forced = async (name: string) =>
    (await world.client.get(world.ctx, configMaps, { ...key, name })).data?.['forced'];
  await world.clock.until(async () => (await forced('m1')) === 'yes', 'the forced one');
  expect(await forced('m0')).toBeUndefined();
  await world.clock.until(async () => (await read()).status?.waitingFor?.length === 1, 'the other to wait');
  await ask({ kind: 'approve', steps: ['overrule'] });
  expect((await settled(world.clock, running.ended)).status?.phase).toBe('Succeeded');
});

it('undoes nothing for a step that it does not have', async () => {
  await startRun(world, everyKind, { final: false }, { approvals: ['ask'] });
  const start = () => startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
  await settled(world.clock, start().ended);
  const done = await dump(world);
  await ask({ kind: 'undo', to: 'frist' });
  const run = await settled(world.clock, start().ended);
  expect(run.status).toMatchObject({ phase: 'Succeeded', undos: 1 });
  expect(run.status?.message).toContain(
    'runbook every-kind has no step frist (did you mean first?); it has prepare, first',
  );
  expect(await dump(world)).toEqual(done);
});

it('tells those who look on why a step does not end, and no longer when it has', async () => {
  const gate = { open: false };
  const act: ActionStep['act'] = async (ctx, scope) => {
    scope.note(`${scope.target?.name ?? ''} is held by a budget`);
    while (!gate.open) await sleep(ctx, 1000);
    await setKey('slow', 'value', 'after').act(ctx, scope);
  };
  const slow: Runbook = {
    ...everyKind,
    id: 'slow',
    parameters: [],
    stages: stage([setKey('slow', 'value', 'after', { act })]),
  };
  await startRun(world, slow, {});
  const { ended } = startExecutor({ world, runbooks: [slow], run: 'r1', identity: 'a' });
  await world.clock.until(async () => ((await read()).status?.message ?? '') !== '', 'the note');
  expect((await read()).status?.message).toBe('slow/m0: m0 is held by a budget; slow/m1: m1 is held by a budget');
  gate.open = true;
  expect((await settled(world.clock, ended)).status).toMatchObject({ phase: 'Succeeded', message: '' });
});
