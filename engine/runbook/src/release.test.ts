/** What steps hold outside of the cluster: given back at the end of a run, later steps first; where that fails, it is said. */
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { requestOf, type RunRequest } from './requests.ts';
import type { ActionStep, RunEnding, Runbook } from './runbook.ts';
import {
  randomRunbook,
  renew,
  setKey,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type TestExecutor,
  type World,
} from './testing.ts';

let world: World;
let calls: string[] = [];
let refuses = '';
beforeAll(async () => {
  world = await startWorld(1);
});
beforeEach(async () => {
  [calls, refuses] = [[], ''];
  await renew(world, 1);
});
afterAll(() => world.close());

function holding(id: string, more: Partial<ActionStep> = {}): ActionStep {
  return setKey(id, id, 'set', {
    ...more,
    release: {
      act: (_ctx, _scope, ending: RunEnding) => {
        calls.push(`${id} ${ending}`);
        if (refuses === id) return Promise.reject(new Error('it does not answer'));
        return Promise.resolve({ ok: false, evidence: `${id} was stopped` });
      },
      otherwise: () => `${id} may go on`,
    },
  });
}

/** Two steps that hold something and a question between them; the second, when it is begun, goes on for an hour. */
const runbook: Runbook = {
  ...randomRunbook([]),
  stages: [
    {
      id: 's',
      title: 's',
      lanes: 'each-target',
      steps: [
        holding('one'),
        { id: 'go', kind: 'approval', title: 'go on' },
        holding('two', {
          deadline: 7_200_000,
          proof: {
            kind: 'happened',
            sentence: 'never',
            observe: () => Promise.resolve({ ok: false, evidence: 'it goes on' }),
          },
        }),
      ],
    },
  ],
};
const start = (approvals: readonly string[] = []): Promise<Run> => startRun(world, runbook, {}, { approvals });
const execute = (identity: string): TestExecutor =>
  startExecutor({ world, runbooks: [runbook], run: 'r1', identity, fate: {} });
const key = { namespace: testNamespace, name: 'r1' };
const ask = (request: RunRequest): Promise<Run> => requestOf(world.ctx, world.client, key, request);
const reaches = (executor: TestExecutor, event: string): Promise<void> =>
  world.clock.until(() => executor.events.some((one) => `${one.step} ${one.event}`.startsWith(event)), event);
const phase = async (): Promise<string | undefined> => (await world.client.get(world.ctx, runs, key)).status?.phase;

it('is given back by an undo, of the steps that were begun alone', async () => {
  await start();
  const executor = execute('a');
  await world.clock.until(async () => (await phase()) === 'Waiting', 'the question');
  await ask({ kind: 'undo', to: undefined });
  expect((await settled(world.clock, executor.ended)).status?.phase).toBe('Undone');
  expect(calls).toEqual(['one ended']);
});

it('is given back by an abort, the later step first; the one in the middle is red, to be begun again by a resume', async () => {
  await start(['go']);
  const executor = execute('a');
  await reaches(executor, 'two');
  await ask({ kind: 'abort' });
  expect((await settled(world.clock, executor.ended)).status?.phase).toBe('Aborted');
  expect(calls).toEqual(['two aborted', 'one aborted']);
  const red = executor.events.filter((one) => one.event === 'Failed').map((one) => `${one.step} ${one.message}`);
  expect(red).toEqual([expect.stringMatching(/^two\/\S+ two was stopped$/)]);
});

it('that cannot be given back in the middle of a step leaves an abort red, until it is asked again', async () => {
  refuses = 'two';
  await start(['go']);
  const executor = execute('a');
  await reaches(executor, 'two');
  await ask({ kind: 'abort' });
  const { status } = await settled(world.clock, executor.ended);
  expect(status?.phase).toBe('Failed');
  expect(status?.message).toMatch(/^asked to abort, but two may go on: step two\/\S+: it does not answer$/);
  refuses = '';
  await ask({ kind: 'abort' });
  expect((await settled(world.clock, execute('b').ended)).status?.phase).toBe('Aborted');
});

it('that cannot be given back of a step that is done is named, and the abort goes on', async () => {
  refuses = 'one';
  await start(['go']);
  const executor = execute('a');
  await reaches(executor, 'two');
  await ask({ kind: 'abort' });
  const { status } = await settled(world.clock, executor.ended);
  expect(status?.phase).toBe('Aborted');
  expect(status?.message).toMatch(/; not given back: step one\/\S+: it does not answer$/);
});
