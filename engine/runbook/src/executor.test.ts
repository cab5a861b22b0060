import { configMaps } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requestOf, type RunRequest } from './requests.ts';
import type { Runbook } from './runbook.ts';
import {
  dump,
  everyKind,
  outcomes,
  renew,
  setKey,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type ExecutorSetup,
  type World,
} from './testing.ts';

const key = { namespace: testNamespace, name: 'r1' };
const approved = { approvals: ['ask'] };
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
beforeEach(() => renew(world));
afterAll(() => world.close());

const execute = (more: Partial<ExecutorSetup> = {}) =>
  startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a', ...more });
const carryOut = (more: Partial<ExecutorSetup> = {}): Promise<Run> => settled(world.clock, execute(more).ended);
const ask = (request: RunRequest): Promise<Run> => requestOf(world.ctx, world.client, key, request);
const read = (): Promise<Run> => world.client.get(world.ctx, runs, key);
const phase = async (wanted: string): Promise<void> =>
  world.clock.until(async () => (await read()).status?.phase === wanted, wanted);
const setData = (name: string, data: Readonly<Record<string, string | null>>) =>
  world.client.patch(world.ctx, configMaps, { namespace: testNamespace, name }, { type: 'merge', body: { data } });

describe('a run', () => {
  it('goes through every kind of step, proves each, and lets its targets go', async () => {
    await startRun(world, everyKind, {}, approved);
    const first = execute();
    const run = await settled(world.clock, first.ended);
    expect(run.status).toMatchObject({ phase: 'Succeeded', epoch: 1, steps: { total: 22, proven: 22 } });
    const left = { annotations: {}, labels: {}, data: { first: '1', value: 'after', final: 'yes' } };
    expect(await dump(world)).toMatchObject({ m0: left, m1: left, m2: left });
    expect(new Set((await outcomes(world)).map((one) => one.split(' ')[2]))).toEqual(new Set(['Proven']));
    expect(first.events.filter((one) => one.event === 'Intended')).toHaveLength(16);
  });

  it('waits for an approval of a target, or of all', async () => {
    await startRun(world, everyKind, { window: 3 });
    const running = execute();
    await phase('Waiting');
    expect((await read()).status?.waitingFor).toEqual(['ask/m0', 'ask/m1', 'ask/m2']);
    await ask({ kind: 'approve', steps: ['ask/m1'] });
    await world.clock.until(async () => (await read()).status?.waitingFor?.length === 2, 'one fewer');
    await ask({ kind: 'approve', steps: ['ask'] });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Succeeded');
  });

  it('begins nothing while it is paused', async () => {
    await startRun(world, everyKind, {}, { ...approved, paused: true });
    const before = await dump(world);
    const running = execute();
    await phase('Paused');
    await world.clock.advance(60_000);
    expect(Object.keys(await dump(world))).toEqual(Object.keys(before));
    await ask({ kind: 'resume' });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Succeeded');
  });

  it('stops when it is aborted, leaves what was done, and can still be undone', async () => {
    const before = await dump(world);
    await startRun(world, everyKind, {});
    const running = execute();
    await phase('Waiting');
    await ask({ kind: 'abort' });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Aborted');
    expect(await dump(world)).toMatchObject({ m0: { annotations: {}, data: { value: 'between' } } });
    await ask({ kind: 'undo', to: undefined });
    expect((await carryOut()).status?.phase).toBe('Undone');
    expect(await dump(world)).toEqual(before);
  });

  it('goes back to a step, and forward again', async () => {
    await startRun(world, everyKind, { final: false }, approved);
    await carryOut();
    await ask({ kind: 'undo', to: 'first' });
    expect((await carryOut()).status?.phase).toBe('Undone');
    expect(await dump(world)).toMatchObject({ m1: { data: { first: '1', value: 'v1' } }, common: {} });
    await ask({ kind: 'resume' });
    expect((await carryOut()).status?.phase).toBe('Succeeded');
    expect(await dump(world)).toMatchObject({ m1: { data: { first: '1', value: 'after' } } });
  });

  it('does not go back beyond a point of no return', async () => {
    await startRun(world, everyKind, {}, approved);
    await carryOut();
    const done = await dump(world);
    await ask({ kind: 'undo', to: undefined });
    const run = await carryOut();
    expect(run.status?.phase).toBe('Succeeded');
    expect(run.status?.message).toContain('step final/m0 was begun and has no way back');
    expect(await dump(world)).toEqual(done);
  });
});

/** Changes one key; its check wants what the test decides. */
const picky: Runbook = {
  ...everyKind,
  id: 'picky',
  stages: [
    {
      id: 'each',
      title: 'each',
      lanes: 'each-target',
      steps: [
        setKey('first', 'first', '1'),
        {
          id: 'wants',
          kind: 'check',
          title: 'wants a key',
          deadline: 10_000,
          proof: {
            sentence: 'wanted is there',
            observe: async (ctx, scope) => {
              const name = scope.target?.name ?? '';
              const map = await scope.client.get(ctx, configMaps, { namespace: testNamespace, name });
              return { ok: map.data?.['wanted'] !== undefined, evidence: `${name} has no key wanted` };
            },
          },
        },
      ],
    },
  ],
};

describe('a red proof', () => {
  const runbooks = [picky];

  it('stops the run with its reason; mended and resumed it goes on', async () => {
    await startRun(world, picky, {});
    const run = await carryOut({ runbooks });
    expect(run.status).toMatchObject({
      phase: 'Failed',
      message: expect.stringContaining('step wants/m0 is not proven: m0 has no key wanted') as string,
      steps: { proven: 1, failed: 1 },
    });
    for (const name of ['m0', 'm1', 'm2']) await setData(name, { wanted: 'yes' });
    await ask({ kind: 'resume' });
    expect((await carryOut({ runbooks })).status?.phase).toBe('Succeeded');
  });

  it('is tried again a bounded number of rounds where the policy says so', async () => {
    await startRun(world, picky, {}, { onRed: { policy: 'retry', rounds: 2 } });
    const running = execute({ runbooks });
    const run = await settled(world.clock, running.ended);
    expect(run.status).toMatchObject({ phase: 'Failed', rounds: 2 });
    expect(running.events.filter((one) => one.event === 'red')).toHaveLength(3);
  });

  it('takes everything back where the policy says so', async () => {
    const before = await dump(world);
    await startRun(world, picky, {}, { onRed: { policy: 'undo' } });
    expect((await carryOut({ runbooks })).status).toMatchObject({
      phase: 'Undone',
      message: expect.stringContaining('step wants/m0 is not proven: m0 has no key wanted') as string,
    });
    expect(await dump(world)).toEqual(before);
  });

  it('that held before stops the successor', async () => {
    await startRun(world, picky, {});
    await carryOut({ runbooks });
    await setData('m0', { wanted: 'yes', first: 'changed by somebody' });
    await ask({ kind: 'resume' });
    const run = await carryOut({ runbooks });
    expect(run.status).toMatchObject({
      phase: 'Failed',
      message: expect.stringContaining('step first/m0 no longer holds: it says changed by somebody') as string,
    });
    for (const name of ['m1', 'm2']) await setData(name, { wanted: 'yes' });
    await ask({ kind: 'resume' });
    expect((await carryOut({ runbooks })).status?.phase).toBe('Succeeded');
    expect(await dump(world)).toMatchObject({ m0: { data: { first: '1' } } });
  });
});

describe('an action that may not be done twice', () => {
  let acts = 0;
  const once: Runbook = {
    ...everyKind,
    id: 'once',
    stages: [
      {
        id: 'only',
        title: 'only',
        lanes: 'once',
        steps: [
          {
            id: 'pay',
            kind: 'action',
            title: 'pay',
            touches: 'money',
            deadline: 10_000,
            attempts: 3,
            repeat: 'never',
            act: () => {
              acts += 1;
              return Promise.resolve();
            },
            proof: {
              kind: 'happened',
              sentence: 'it was paid',
              observe: () => Promise.resolve({ ok: acts >= 2, evidence: `paid ${acts} times` }),
            },
            undo: { nothing: 'it is gone' },
          },
        ],
      },
    ],
  };
  const runbooks = [once];

  it('is done again only when somebody says so', async () => {
    acts = 0;
    await startRun(world, once, {});
    const victim = execute({ runbooks });
    await world.clock.until(() => victim.events.some((one) => one.event === 'Intended'), 'the intent');
    victim.bury();
    const run = await carryOut({ runbooks, identity: 'b' });
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toMatch(/step pay (was begun and may not be done twice|is not proven): paid 1 times/);
    expect(acts).toBe(1);
    await ask({ kind: 'resume' });
    expect((await carryOut({ runbooks })).status?.phase).toBe('Succeeded');
    expect(acts).toBe(2);
  });
});

describe('a step whose proof fails', () => {
  let looks = 0;
  const flaky: Runbook = {
    ...everyKind,
    id: 'flaky',
    stages: [
      {
        id: 'each',
        title: 'each',
        lanes: 'each-target',
        steps: [
          setKey('value', 'value', 'changed', {
            deadline: 500,
            proof: {
              kind: 'happened',
              sentence: 'it was looked at often enough',
              observe: () => Promise.resolve({ ok: ++looks > 9, evidence: `looked ${looks} times` }),
            },
          }),
        ],
      },
    ],
  };
  const runbooks = [flaky];

  it('keeps what was there before the first attempt, so that undo restores that', async () => {
    looks = 7;
    const before = await dump(world);
    await startRun(world, flaky, {});
    const running = execute({ runbooks });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Succeeded');
    expect(running.events.filter((one) => one.event === 'retry').map((one) => one.step)).toEqual([
      'value/m0',
      'value/m0',
    ]);
    await ask({ kind: 'undo', to: undefined });
    expect((await carryOut({ runbooks })).status?.phase).toBe('Undone');
    expect(await dump(world)).toEqual(before);
  });

  it('is undone also when it was about to be begun again', async () => {
    looks = -1000;
    const before = await dump(world);
    await startRun(world, flaky, {});
    expect((await carryOut({ runbooks })).status?.phase).toBe('Failed');
    expect(await dump(world)).toMatchObject({ m0: { data: { value: 'changed' } } });
    await ask({ kind: 'resume' });
    await ask({ kind: 'pause' });
    const running = execute({ runbooks });
    await phase('Paused');
    await ask({ kind: 'undo', to: undefined });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Undone');
    expect(await dump(world)).toEqual(before);
  });
});

describe('an executor', () => {
  it('refuses a run of another edition', async () => {
    await startRun(world, everyKind, {}, approved);
    const other = { ...everyKind, version: '2' };
    await expect(carryOut({ runbooks: [other] })).rejects.toMatchObject({ code: 'RunbookDigestMismatch' });
    expect((await read()).status?.epoch).toBeUndefined();
    await expect(carryOut({ runbooks: [] })).rejects.toMatchObject({ code: 'RunbookUnknown' });
  });

  it('refuses targets that another run holds, and gets them when that one has ended', async () => {
    await startRun(world, everyKind, {});
    const first = execute();
    await phase('Waiting');
    await startRun(world, everyKind, {}, approved, 'r2');
    const run = await carryOut({ run: 'r2', identity: 'b' });
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toContain('ConfigMap m0: it is held by run work/r1, epoch 1');
    await ask({ kind: 'abort' });
    await settled(world.clock, first.ended);
    await requestOf(world.ctx, world.client, { ...key, name: 'r2' }, { kind: 'resume' });
    expect((await carryOut({ run: 'r2', identity: 'b' })).status?.phase).toBe('Succeeded');
  });

  it('waits for an API that is away for minutes', async () => {
    await startRun(world, everyKind, {}, approved);
    let requests = 0;
    let fromMs = Infinity;
    const away = (): boolean => {
      if (++requests === 60) fromMs = world.clock.now();
      return world.clock.now() >= fromMs && world.clock.now() < fromMs + 240_000;
    };
    const unavailable = { status: 503, headers: {}, body: null };
    const run = await carryOut({ tap: async () => (away() ? unavailable : undefined) });
    expect(run.status?.phase).toBe('Succeeded');
    expect(world.clock.now()).toBeGreaterThan(fromMs + 240_000);
    expect(run.status?.epoch).toBeGreaterThan(1);
  });

  it('stops red when a target was replaced by another of its name', async () => {
    await startRun(world, everyKind, {}, { ...approved, paused: true });
    const running = execute();
    await phase('Paused');
    await world.client.delete(world.ctx, configMaps, { namespace: testNamespace, name: 'm0' });
    await world.client.create(world.ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: testNamespace, name: 'm0' },
    });
    await ask({ kind: 'resume' });
    const run = await settled(world.clock, running.ended);
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toContain('ConfigMap work/m0 is another object now');
  });
});
