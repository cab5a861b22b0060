/** node-maintenance and what goes wrong around it: its executor, its API, its clock, its nodes. Of hosts: host-command. */
import { requestOf, type RunRequest } from '@polyanthus/engine-runbook/requests';
import { leaseName } from '@polyanthus/engine-runbook/executor';
import { settled, startRun, testNamespace, type Fate, type TestExecutor } from '@polyanthus/engine-runbook/testing';
import type { HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { leases, nodes, type Node } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';
import { startMaintainedCluster, type ExecutorMore, type MaintainedCluster } from './testing.ts';

const size = { nodes: ['n1', 'n2', 'n3'], replicas: 6, minAvailable: 4 };
let cluster: MaintainedCluster;
beforeEach(async () => {
  cluster = await startMaintainedCluster(size);
});
afterEach(() => cluster.close());

const key = { namespace: testNamespace, name: 'r1' };
const start = (parameters: Readonly<Record<string, unknown>> = {}): Promise<Run> =>
  startRun(cluster.world, nodeMaintenance, { nodes: ['n1', 'n2'], ...parameters });
const finish = (executor: TestExecutor): Promise<Run> => settled(cluster.world.clock, executor.ended);
const carryOut = (identity: string, more?: ExecutorMore): Promise<Run> => finish(cluster.execute(identity, {}, more));
const ask = (request: RunRequest): Promise<Run> => requestOf(cluster.world.ctx, cluster.world.client, key, request);
const read = (): Promise<Run> => cluster.world.client.get(cluster.world.ctx, runs, key);
const until = (condition: () => boolean | Promise<boolean>, what: string): Promise<void> =>
  cluster.world.clock.until(condition, what);
const isCordoned = (node: string) => async (): Promise<boolean> => (await cluster.cordoned()).includes(node);
const isEviction = ({ url }: HttpRequest): boolean => url.includes('/eviction');

async function succeeded(run: Run): Promise<void> {
  expect(run.status?.message ?? '').toBe('');
  expect(run.status?.phase).toBe('Succeeded');
  expect(await cluster.cordoned()).toEqual([]);
  expect(await cluster.claims()).toEqual([]);
  expect(cluster.watched.readyLeast).toBeGreaterThanOrEqual(size.minAvailable);
  expect(cluster.watched.cordonedMost).toBeLessThanOrEqual(1);
}

/** What a late executor must not change. */
async function state(): Promise<unknown> {
  const { items } = await cluster.world.client.list(cluster.world.ctx, nodes);
  return {
    nodes: items.map(({ metadata: { name, annotations }, spec }: Node) => ({ name, annotations, spec })),
    pods: (await cluster.webPods()).map(({ metadata: { uid }, spec }) => ({ uid, node: spec?.nodeName })),
  };
}

describe('an executor that stood still', () => {
  const moments: readonly (readonly [string, NonNullable<Fate['when']>])[] = [
    ['about to cordon', (request) => changesCordon(request, true)],
    ['about to evict', isEviction],
    ['about to uncordon', (request) => changesCordon(request, null)],
  ];
  it.each(moments)('%s changes nothing when another one has finished', async (_name, when) => {
    await start();
    const stopped = cluster.execute('stopped', { when, how: 'stop' });
    await until(stopped.struck, 'the stop');
    await succeeded(await carryOut('heir'));
    const before = await state();
    stopped.go();
    await expect(finish(stopped)).rejects.toMatchObject({ code: 'RunTakenOver' });
    await cluster.world.clock.advance(120_000);
    expect(await state()).toEqual(before);
  });

  it('with evictions in its hand sends no others, and the run counts them', async () => {
    await start();
    const stopped = cluster.execute('stopped', { when: isEviction, how: 'stop' });
    await until(stopped.struck, 'the stop');
    await ask({ kind: 'pause' });
    const heir = cluster.execute('heir');
    await until(() => heir.events.some((event) => event.event === 'taken'), 'the takeover');
    const { evictions } = cluster.watched;
    stopped.go();
    await expect(finish(stopped)).rejects.toMatchObject({ code: 'RunTakenOver' });
    const late = (await read()).status?.late;
    const podsOfNode = size.replicas / size.nodes.length;
    expect(late?.count).toBe(podsOfNode);
    expect(late?.writes.filter(({ epoch, step }) => epoch === 1 && step === 'drain/n1')).toHaveLength(podsOfNode);
    await cluster.world.clock.advance(120_000);
    expect(cluster.watched.evictions - evictions).toBe(podsOfNode);
    await ask({ kind: 'resume' });
    await succeeded(await finish(heir));
  });
});

function changesCordon({ method, body }: HttpRequest, wanted: true | null): boolean {
  if (method !== 'PATCH' || !(body instanceof Uint8Array)) return false;
  const { spec } = JSON.parse(Buffer.from(body).toString()) as { spec?: { unschedulable?: boolean | null } };
  return spec?.unschedulable === wanted;
}

describe('an API', () => {
  const unavailable: HttpResponse = { status: 503, headers: {}, body: null };

  it('that goes away for minutes in the middle of a drain is waited for', async () => {
    await start();
    let fromMs = Infinity;
    const { clock } = cluster.world;
    const tap = (request: HttpRequest): Promise<HttpResponse | undefined> => {
      if (isEviction(request)) fromMs = Math.min(fromMs, clock.now());
      const isAway = clock.now() >= fromMs && clock.now() < fromMs + 240_000;
      return Promise.resolve(isAway ? unavailable : undefined);
    };
    await succeeded(await carryOut('a', { tap }));
    expect(clock.now()).toBeGreaterThan(fromMs + 240_000);
  });

  it('whose answers are lost is asked again, and nothing is done twice', async () => {
    await start();
    const { cluster: server, ctx } = cluster.world;
    const evicted: string[] = [];
    const random = createSeededRandom(8);
    let lost = 0;
    const tap = async (request: HttpRequest): Promise<HttpResponse | undefined> => {
      if (request.method === 'GET') return undefined;
      const answer = await server.transport.request(ctx, request);
      if (isEviction(request) && answer.status < 300) evicted.push(request.url);
      // It is carried out, and its answer never arrives.
      if (random.float() > 0.15) return answer;
      lost += 1;
      return unavailable;
    };
    await succeeded(await carryOut('a', { tap }));
    expect(lost).toBeGreaterThan(5);
    expect(new Set(evicted).size).toBe(evicted.length);
  });
});

it('goes on in mid-drain when its lease was lost to somebody who then goes away', async () => {
  await start();
  const { client, clock, ctx } = cluster.world;
  let taken = false;
  const tap = async (request: HttpRequest): Promise<undefined> => {
    if (taken || !isEviction(request)) return undefined;
    taken = true;
    const spec = { holderIdentity: 'somebody', leaseDurationSeconds: 15, renewTime: '2030-01-01T00:00:00.000000Z' };
    const lease = { namespace: testNamespace, name: leaseName('r1') };
    await client.patch(ctx, leases, lease, { type: 'merge', body: { spec } });
    // It is answered when the lease has long been lost.
    await new Promise<void>((resolve) => void clock.after(60_000, resolve));
    return undefined;
  };
  const run = await carryOut('a', { tap });
  await succeeded(run);
  expect(run.status?.epoch).toBeGreaterThan(1);
});

it.each([86_400_000, -86_400_000])(
  'gives budgets the time they have when its clock jumps by %i ms in the middle of a drain',
  async (jumpMs) => {
    await start({ drainTimeout: 600_000 });
    const { clock } = cluster.world;
    let offMs = 0;
    let refusals = 0;
    const tap = (request: HttpRequest): Promise<HttpResponse | undefined> => {
      if (!isEviction(request) || refusals >= 20) return Promise.resolve(undefined);
      if (++refusals === 5) offMs = jumpMs;
      return Promise.resolve({ status: 429, headers: {}, body: null });
    };
    await succeeded(await carryOut('a', { tap, clock: { ...clock, pending: 0, now: () => clock.now() + offMs } }));
    expect(refusals).toBe(20);
  },
);

describe('a node', () => {
  const remove = async (name: string): Promise<void> => {
    cluster.simulation.stopNode(name);
    await cluster.world.client.delete(cluster.world.ctx, nodes, { name });
  };

  it('that is deleted before its turn is red with its name; undone, the others are as they were found', async () => {
    await start({ approve: true });
    const running = cluster.execute('a');
    await until(async () => (await read()).status?.phase === 'Waiting', 'the work on n1');
    await remove('n2');
    await ask({ kind: 'approve', steps: ['handover'] });
    const red = await finish(running);
    expect(red.status?.phase).toBe('Failed');
    expect(red.status?.message).toContain('Node n2 is gone (Abort the run, then start a new one');
    await ask({ kind: 'undo', to: undefined });
    const undone = await carryOut('b');
    expect([undone.status?.phase, undone.status?.message]).toEqual(['Undone', expect.anything()]);
    expect(await cluster.cordoned()).toEqual([]);
    expect(await cluster.claims()).toEqual([]);
  });

  it('that is deleted in the middle of its drain is red with its name; aborted, nothing is kept claimed', async () => {
    await start();
    const running = cluster.execute('a', {}, { tap: (request) => refuse(request) });
    await until(isCordoned('n1'), 'the cordon');
    await remove('n1');
    const red = await finish(running);
    expect(red.status?.phase).toBe('Failed');
    expect(red.status?.message).toContain('Node n1 is gone');
    await ask({ kind: 'abort' });
    expect((await carryOut('b')).status?.phase).toBe('Aborted');
    expect(await cluster.claims()).toEqual([]);
  });

  it('that was replaced by another one of its name is not touched', async () => {
    await start({ approve: true });
    const running = cluster.execute('a');
    await until(async () => (await read()).status?.phase === 'Waiting', 'the work on n1');
    await remove('n1');
    const fresh = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { unschedulable: true } };
    await cluster.world.client.create(cluster.world.ctx, nodes, fresh);
    await ask({ kind: 'approve', steps: ['handover'] });
    const red = await finish(running);
    expect(red.status?.phase).toBe('Failed');
    expect(red.status?.message).toContain('Node n1 is another object now');
    expect(await cluster.cordoned()).toEqual(['n1']);
  });

  const refuse = (request: HttpRequest): Promise<HttpResponse | undefined> =>
    Promise.resolve(isEviction(request) ? { status: 429, headers: {}, body: null } : undefined);
});
