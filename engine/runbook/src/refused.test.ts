/** Runs that cannot be carried out: nobody waits for them for ever, and they keep nobody away. */
import { claimAnnotation, runs } from '@polyanthus/kube-kinds/own/runbook';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { hasWork } from './executor.ts';
import { requestOf, type RunRequest } from './requests.ts';
import type { Runbook } from './runbook.ts';
import {
  everyKind,
  neverSo,
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
  world = await startWorld(1);
});
beforeEach(() => renew(world, 1));
afterAll(() => world.close());

const key = { namespace: testNamespace, name: 'r1' };
const foreign = `${testNamespace}/other/other-uid/7`;
const carryOut = async (runbooks: readonly Runbook[] = [everyKind]) =>
  settled(world.clock, startExecutor({ world, runbooks, run: 'r1', identity: 'a' }).ended);
const ask = (request: RunRequest) => requestOf(world.ctx, world.client, key, request);

async function claim(value: string | null): Promise<void> {
  const body = { metadata: { annotations: { [claimAnnotation]: value } } };
  await world.client.patch(world.ctx, configMaps, { namespace: testNamespace, name: 'm0' }, { type: 'merge', body });
}
const claimNow = async (): Promise<string | undefined> =>
  (await world.client.get(world.ctx, configMaps, { namespace: testNamespace, name: 'm0' })).metadata.annotations?.[
    claimAnnotation
  ];

it.each<[RunRequest['kind'], RunRequest, string]>([
  ['resume', { kind: 'resume' }, 'Failed'],
  ['undo', { kind: 'undo', to: undefined }, 'Failed'],
  ['abort', { kind: 'abort' }, 'Aborted'],
])('answers a request to %s a run whose target another run holds', async (_name, request, phase) => {
  await claim(foreign);
  await startRun(world, everyKind, {});
  expect((await carryOut()).status).toMatchObject({ phase: 'Failed' });
  await ask(request);
  const run = await carryOut();
  expect(run.status?.phase).toBe(phase);
  expect(hasWork(run)).toBe(false);
  expect(await claimNow()).toBe(foreign);
});

it('keeps nobody away from a target when it failed before it touched anything', async () => {
  const runbook: Runbook = { ...everyKind, stages: [{ id: 's', title: 's', lanes: 'each-target', steps: [neverSo] }] };
  await startRun(world, runbook, {});
  expect((await carryOut([runbook])).status?.phase).toBe('Failed');
  expect(await claimNow()).toBeUndefined();
});

it('lets a program of another edition abort a run, and the targets go, but not carry it out', async () => {
  await startRun(world, everyKind, {});
  const live = await world.client.get(world.ctx, runs, key);
  await world.client.update(world.ctx, runs, { ...live, spec: { ...live.spec, digest: 'f'.repeat(64) } });
  await claim(`${testNamespace}/r1/${live.metadata.uid ?? ''}/1`);
  await expect(carryOut()).rejects.toMatchObject({ code: 'RunbookDigestMismatch' });
  await ask({ kind: 'resume' });
  await ask({ kind: 'undo', to: undefined });
  await ask({ kind: 'abort' });
  const run = await carryOut();
  expect(run.status).toMatchObject({ phase: 'Aborted', message: expect.stringContaining('another edition') as string });
  expect(hasWork(run)).toBe(false);
  expect(await claimNow()).toBeUndefined();
});
