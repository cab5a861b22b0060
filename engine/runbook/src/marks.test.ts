/** What an action leaves as its mark, and what wakes a proof. */
import { runSteps, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActionStep, CheckStep, Runbook } from './runbook.ts';
import { settled, startExecutor, startRun, startWorld, testNamespace, type Fate, type World } from './testing.ts';

let world: World;
beforeEach(async () => {
  world = await startWorld(0);
});
afterEach(() => world.close());

const runbookOf = (steps: Runbook['stages'][number]['steps']): Runbook => ({
  id: 'marks',
  version: '1',
  title: 'leave marks',
  parameters: [],
  targets: () => Promise.resolve([]),
  stages: [{ id: 's', title: 'Leave', lanes: 'once', steps }],
});
const execute = (runbook: Runbook, identity = 'a', fate: Fate = {}) =>
  startExecutor({ world, runbooks: [runbook], run: 'r1', identity, fate });
const step = async (name: string): Promise<RunStep | undefined> =>
  (await world.client.listAll(world.ctx, runSteps, { namespace: testNamespace })).items.find(
    (one) => one.spec.step === name,
  );

describe('a mark that an action leaves', () => {
  const countingTo = (failures: number): ActionStep => {
    let calls = 0;
    return {
      id: 'count',
      kind: 'action',
      title: 'count',
      touches: 'nothing',
      deadline: 60_000,
      attempts: failures + 1,
      repeat: 'safe',
      act: (_ctx, scope) => {
        scope.leave({ calls: ((scope.mark as { readonly calls: number } | undefined)?.calls ?? 0) + 1 });
        calls += 1;
        return calls > failures ? Promise.resolve() : Promise.reject(new Error('not yet'));
      },
      proof: {
        kind: 'happened',
        sentence: 'it counted',
        observe: (_ctx, scope) => Promise.resolve({ ok: true, evidence: JSON.stringify(scope.mark) }),
      },
      undo: { nothing: 'nothing' },
    };
  };
  const reading: CheckStep = {
    id: 'read',
    kind: 'check',
    title: 'read',
    deadline: 60_000,
    proof: {
      sentence: 'there is a mark',
      observe: (_ctx, scope) => Promise.resolve({ ok: true, evidence: JSON.stringify(scope.markOf('count') ?? null) }),
    },
  };

  it('is stored with each attempt, given to the next one, and read by later steps', async () => {
    const runbook = runbookOf([countingTo(2), reading]);
    await startRun(world, runbook, {});
    expect((await settled(world.clock, execute(runbook).ended)).status?.phase).toBe('Succeeded');
    expect((await step('count'))?.status).toMatchObject({ mark: { calls: 3 }, evidence: '{"calls":3}', failures: 2 });
    expect((await step('read'))?.status?.evidence).toBe('{"calls":3}');
  });

  it('is there although the step is red in the end', async () => {
    const runbook = runbookOf([{ ...countingTo(9), attempts: 2 }]);
    await startRun(world, runbook, {});
    expect((await settled(world.clock, execute(runbook).ended)).status?.phase).toBe('Failed');
    expect((await step('count'))?.status?.mark).toEqual({ calls: 2 });
  });

  it('is lost with the executor that is killed before it is stored', async () => {
    const runbook = runbookOf([countingTo(0), reading]);
    await startRun(world, runbook, {});
    const acted: Fate = {
      when: ({ method, url, body }) =>
        method === 'PUT' && url.includes('/runsteps/') && Buffer.from(body as Uint8Array).includes('"Acted"'),
      how: 'before',
    };
    const victim = execute(runbook, 'victim', acted);
    await world.clock.until(victim.struck, 'the end of the action');
    victim.bury();
    expect((await settled(world.clock, execute(runbook, 'heir').ended)).status?.phase).toBe('Succeeded');
    expect((await step('read'))?.status?.evidence).toBe('null');
  });
});

describe('a proof that follows what it waits for', () => {
  const soAfter = (delayMs: number, follow: CheckStep['proof']['follow']): CheckStep => {
    let soAtMs: number | undefined;
    return {
      id: 'wait',
      kind: 'check',
      title: 'wait',
      deadline: 60_000,
      proof: {
        sentence: 'it is so',
        observe: ({ clock }) => {
          soAtMs ??= clock.monotonic() + delayMs;
          return Promise.resolve({ ok: clock.monotonic() >= soAtMs, evidence: String(clock.monotonic() - soAtMs) });
        },
        ...(follow === undefined ? {} : { follow }),
      },
    };
  };
  const lateMs = async (runbook: Runbook): Promise<number> => {
    await startRun(world, runbook, {});
    expect((await settled(world.clock, execute(runbook).ended)).status?.phase).toBe('Succeeded');
    return Number((await step('wait'))?.status?.evidence);
  };

  it('is looked at when that changes', async () => {
    let stopped = 0;
    const told = soAfter(1300, ({ clock }, _scope, wake) => {
      clock.after(1300, wake);
      return { alive: () => true, stop: () => void (stopped += 1) };
    });
    expect(await lateMs(runbookOf([told]))).toBe(0);
    expect(stopped).toBe(1);
  });

  it('is looked at every 5 s when nothing is told', async () => {
    const silent = soAfter(1300, () => ({ alive: () => true, stop: () => undefined }));
    expect(await lateMs(runbookOf([silent]))).toBe(5000 - 1300);
  });

  it('is looked at every second when nobody would tell', async () => {
    const dead = soAfter(1300, () => ({ alive: () => false, stop: () => undefined }));
    expect(await lateMs(runbookOf([dead]))).toBe(2000 - 1300);
  });
});
