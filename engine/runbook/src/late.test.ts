/** A write without a resourceVersion that was on its way while another executor took over: it is counted, and no more follow. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { configMaps, leases } from '@polyanthus/kube-kinds/core';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { leaseName } from './executor.ts';
import { RunHandle } from './handle.ts';
import { readRun, reportMarkdown, reportOf } from './report.ts';
import { requestOf } from './requests.ts';
import type { ActionStep, Runbook } from './runbook.ts';
import {
  everyKind,
  renew,
  settled,
  setKey,
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
beforeEach(() => renew(world));
afterAll(() => world.close());

const key = { namespace: testNamespace, name: 'r1' };

/** Deletes the target's companion, as an eviction does: by name and uid at most. */
const clear: ActionStep = {
  id: 'clear',
  kind: 'action',
  title: 'clear',
  touches: 'deletes what belongs to the target',
  deadline: 60_000,
  attempts: 3,
  repeat: 'safe',
  act: (ctx, { client, target }) =>
    client.delete(ctx, configMaps, { namespace: testNamespace, name: `x-${target?.name ?? ''}` }).then(
      () => undefined,
      (error: unknown) => {
        if (!isStatus(error, 'NotFound')) throw error;
      },
    ),
  proof: {
    kind: 'happened',
    sentence: 'it is gone',
    observe: async (ctx, { client, target }) => {
      const { items } = await client.list(ctx, configMaps, { namespace: testNamespace });
      return { ok: !items.some((one) => one.metadata.name === `x-${target?.name ?? ''}`), evidence: 'looked' };
    },
  },
  undo: { nothing: 'it is gone' },
};
const runbook: Runbook = {
  ...everyKind,
  id: 'clearing',
  stages: [{ id: 'each', title: 'each', lanes: 'each-target', steps: [clear, setKey('after', 'after', '1')] }],
};
const start = (identity: string, fate: Fate = {}) =>
  startExecutor({ world, runbooks: [runbook], run: 'r1', identity, fate });

async function prepare(): Promise<void> {
  for (const name of ['x-m0', 'x-m1', 'x-m2'])
    await world.client.create(world.ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: testNamespace, name },
    });
  await startRun(world, runbook, {});
}

it('is told to the run, and its report counts it', async () => {
  await prepare();
  const first = start('stopped', { when: ({ method, url }) => method === 'DELETE' && /x-m0/.test(url), how: 'stop' });
  await world.clock.until(first.struck, 'the stop');
  await requestOf(world.ctx, world.client, key, { kind: 'pause' });
  const heir = start('heir');
  await world.clock.until(() => heir.events.some((event) => event.event === 'taken'), 'the takeover');
  first.go();
  await expect(settled(world.clock, first.ended)).rejects.toMatchObject({ code: 'RunTakenOver' });
  const late = [{ epoch: 1, step: 'clear/m0', what: 'deletion of ConfigMap work/x-m0' }];
  expect((await world.client.get(world.ctx, runs, key)).status?.late).toMatchObject({ count: 1, writes: late });
  await requestOf(world.ctx, world.client, key, { kind: 'resume' });
  expect((await settled(world.clock, heir.ended)).status?.phase).toBe('Succeeded');
  const { run, steps } = await readRun(world.ctx, world.client, key);
  const report = reportOf(run, steps);
  expect(report.late).toMatchObject({ count: 1, writes: late });
  expect(reportMarkdown(report)).toContain(
    '- Late writes: 1, decided before a takeover and answered after it: deletion of ConfigMap work/x-m0 (clear/m0, epoch 1',
  );
});

it('is not sent when the look at the run before it was so long on its way that a takeover may have overtaken it', async () => {
  await prepare();
  const { client, clock, ctx } = world;
  const run = await client.get(ctx, runs, key);
  const mine = { ...run, status: { epoch: 1 } };
  const stamped = await client.update(ctx, runs, mine, { subresource: 'status' });
  let looks = 0;
  const slow: typeof client.getJson = async <R>(inner: Context, path: string, accept?: string) => {
    const answer = await client.getJson<R>(inner, path, accept);
    if (++looks === 1) await sleep(inner, 20_000);
    return answer;
  };
  const handle = new RunHandle(stamped, {
    runsClient: { ...client, getJson: slow },
    clusterClient: client,
    runbook,
    parameters: {},
  });
  const guarded = handle.guard(ctx);
  await clock.until(() => looks === 1, 'the first look');
  await client.update(ctx, runs, { ...stamped, status: { epoch: 2 } }, { subresource: 'status' });
  await expect(settled(clock, guarded)).rejects.toMatchObject({ code: 'RunTakenOver' });
  expect(looks).toBe(2);
});

it('is preceded by a look that reads the run whole only when it is no longer the known one', async () => {
  await prepare();
  const { client, ctx } = world;
  const { status: _none, ...run } = await client.get(ctx, runs, key);
  const stamped = await client.update(ctx, runs, { ...run, status: { epoch: 1 } }, { subresource: 'status' });
  let whole = 0;
  const get: typeof client.get = (inner, type, at) => {
    whole += 1;
    return client.get(inner, type, at);
  };
  const options = { runsClient: { ...client, get }, clusterClient: client, runbook, parameters: {} };
  const handle = new RunHandle(stamped, options);
  await handle.guard(ctx);
  await handle.guard(ctx);
  expect(whole).toBe(0);
  await requestOf(ctx, client, key, { kind: 'pause' });
  expect((await handle.guard(ctx)).spec.paused).toBe(true);
  await handle.guard(ctx);
  expect(whole).toBe(1);
  const live = await client.get(ctx, runs, key);
  await client.update(ctx, runs, { ...live, status: { epoch: 2 } }, { subresource: 'status' });
  await expect(handle.guard(ctx)).rejects.toMatchObject({ code: 'RunTakenOver' });
  // One of the same name, with the same epoch.
  await client.delete(ctx, runs, key);
  await client.create(ctx, runs, { ...stamped, metadata: { ...key } });
  await expect(handle.guard(ctx)).rejects.toMatchObject({ code: 'RunTakenOver' });
});

it('ends in mid-step when the lease is another executor’s, and goes on when that one is gone', async () => {
  await prepare();
  let taken = false;
  const lease = { namespace: testNamespace, name: leaseName('r1') };
  const running = startExecutor({
    world,
    runbooks: [runbook],
    run: 'r1',
    identity: 'a',
    tap: async ({ method, url }) => {
      if (taken || method !== 'DELETE' || !/x-m1/.test(url)) return undefined;
      taken = true;
      const spec = { holderIdentity: 'somebody', leaseDurationSeconds: 15, renewTime: '2030-01-01T00:00:00.000000Z' };
      await world.client.patch(world.ctx, leases, lease, { type: 'merge', body: { spec } });
      // The answer comes when the lease has long been lost.
      await new Promise<void>((resolve) => void world.clock.after(60_000, resolve));
      return undefined;
    },
  });
  const run = await settled(world.clock, running.ended);
  expect(run.status?.phase).toBe('Succeeded');
  expect(run.status?.epoch).toBeGreaterThan(1);
  expect(run.status?.steps).toMatchObject({ proven: 6, failed: 0 });
});
