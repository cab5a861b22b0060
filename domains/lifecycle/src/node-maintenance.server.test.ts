/** node-maintenance on a simulated cluster with real controllers, by virtual clock. The budget is kept by a stand-in. */
import { defectsOf } from '@polyanthus/engine-runbook/runbook';
import { requestOf, type RunRequest } from '@polyanthus/engine-runbook/requests';
import {
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type ExecutorSetup,
  type Fate,
  type World,
} from '@polyanthus/engine-runbook/testing';
import { Mutex } from '@polyanthus/ground-base/mutex';
import type { HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { deployments, nodes, pods, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';

const replicas = 8;
const minAvailable = 6;
const names = ['n1', 'n2', 'n3', 'n4'];
let world: World;
let simulation: Simulation;
let close: () => Promise<void>;

beforeEach(async () => {
  world = await startWorld(0);
  const { client, clock } = world;
  const { ctx, cancel } = withCancel(background({ clock }));
  const random = createSeededRandom(5);
  const controllers = startControllers(ctx, { client, random });
  simulation = startSimulation(ctx, {
    client,
    random,
    nodes: names.map((name) => ({ name })),
    behaviours: [{ startDelayMs: 2000, readyDelayMs: 3000, shutdownMs: 1000 }],
  });
  close = async () => {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await world.close();
  };
  await clock.until(async () => (await client.list(ctx, nodes)).items.length === names.length, 'nodes');
  await clock.until(async () => {
    const found = await client.list(ctx, serviceAccounts, { namespace: testNamespace });
    return found.items.length > 0;
  }, 'the account');
  const labels = { app: 'web' };
  await client.create(ctx, deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: testNamespace, name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'c', image: 'web' }], terminationGracePeriodSeconds: 1 },
      },
    },
  });
  await clock.until(async () => (await readyPods()).length === replicas, 'the pods to be ready');
});
afterEach(() => close());

const webPods = async (): Promise<readonly Pod[]> =>
  (await world.client.list(world.ctx, pods, { namespace: testNamespace, labelSelector: 'app=web' })).items;
const readyPods = async (): Promise<readonly Pod[]> =>
  (await webPods()).filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined &&
      pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true,
  );
const cordoned = async (): Promise<readonly string[]> =>
  (await world.client.list(world.ctx, nodes)).items
    .filter((node) => node.spec?.unschedulable === true)
    .map((node) => node.metadata.name ?? '');
const cordon = (name: string) =>
  world.client.patch(world.ctx, nodes, { name }, { type: 'merge', body: { spec: { unschedulable: true } } });
const claims = async (): Promise<readonly unknown[]> =>
  (await world.client.list(world.ctx, nodes)).items.flatMap((node) => Object.keys(node.metadata.annotations ?? {}));

/** What an executor did to the cluster, seen at each of its writes. */
interface Watched {
  evictions: number;
  refused: number;
  cordonedMost: number;
  readyLeast: number;
}

/** Says no as a budget of `minAvailable` does; one eviction at a time, as the API server counts them. */
function budget(watched: Watched): NonNullable<ExecutorSetup['tap']> {
  const mutex = new Mutex();
  const evict = async (request: HttpRequest): Promise<HttpResponse> => {
    if ((await readyPods()).length > minAvailable) {
      watched.evictions += 1;
      return world.cluster.transport.request(world.ctx, request);
    }
    watched.refused += 1;
    const message = "Cannot evict pod as it would violate the pod's disruption budget.";
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'TooManyRequests',
      message,
      code: 429,
    };
    const body = Buffer.from(JSON.stringify(status));
    return { status: 429, headers: { 'content-type': 'application/json' }, body };
  };
  return async (request) => {
    if (request.method === 'GET' || request.url.includes('/leases/')) return undefined;
    watched.cordonedMost = Math.max(watched.cordonedMost, (await cordoned()).length);
    watched.readyLeast = Math.min(watched.readyLeast, (await readyPods()).length);
    return request.url.includes('/eviction') ? mutex.run(() => evict(request)) : undefined;
  };
}

const fresh = (): Watched => ({ evictions: 0, refused: 0, cordonedMost: 0, readyLeast: replicas });
const execute = (identity: string, watched: Watched, fate: Fate = {}) =>
  startExecutor({ world, runbooks: [nodeMaintenance], run: 'r1', identity, fate, tap: budget(watched) });
const ask = (request: RunRequest) =>
  requestOf(world.ctx, world.client, { namespace: testNamespace, name: 'r1' }, request);

async function maintained(run: Run): Promise<void> {
  expect(run.status?.message ?? '').toBe('');
  expect(run.status?.phase).toBe('Succeeded');
  await world.clock.until(async () => (await readyPods()).length === replicas, 'all pods');
  expect(await claims()).toEqual([]);
}

it('is a sound runbook', () => {
  expect(defectsOf(nodeMaintenance)).toEqual([]);
});

describe('node-maintenance', () => {
  it('takes a window of nodes at once through their budgets, and leaves a foreign cordon', async () => {
    await cordon('n4');
    const before = new Set((await webPods()).map((pod) => pod.metadata.uid));
    await startRun(world, nodeMaintenance, { nodes: names, window: 2 });
    const watched = fresh();
    await maintained(await settled(world.clock, execute('a', watched).ended));
    expect(await cordoned()).toEqual(['n4']);
    expect(watched.cordonedMost).toBeLessThanOrEqual(3);
    expect(watched.refused).toBeGreaterThan(0);
    expect(watched.readyLeast).toBe(minAvailable);
    expect(watched.evictions).toBeGreaterThanOrEqual(replicas);
    expect((await webPods()).filter((pod) => before.has(pod.metadata.uid))).toEqual([]);
  });

  const random = createSeededRandom(31);
  it.each([1, 2, 3, 4])('ends just so when it is killed anywhere (%i)', async () => {
    await startRun(world, nodeMaintenance, { nodes: ['n1', 'n2', 'n3'], window: 2 });
    const watched = fresh();
    const at = Math.floor(random.float() * 150);
    const victim = execute('victim', watched, { at, how: random.float() < 0.5 ? 'before' : 'after' });
    await world.clock.until(victim.struck, `request ${at}`);
    victim.bury();
    await maintained(await settled(world.clock, execute('heir', watched).ended));
    expect(await cordoned()).toEqual([]);
    expect(watched.cordonedMost).toBeLessThanOrEqual(2);
    expect(watched.readyLeast).toBeGreaterThanOrEqual(minAvailable);
  });

  it('waits for the approval of a node, and undo puts every node back as it was found', async () => {
    await cordon('n2');
    await startRun(world, nodeMaintenance, { nodes: ['n1', 'n2'], window: 2, approve: true });
    const watched = fresh();
    const running = execute('a', watched);
    const read = () => world.client.get(world.ctx, runs, { namespace: testNamespace, name: 'r1' });
    await world.clock.until(async () => (await read()).status?.waitingFor?.length === 2, 'both to wait');
    expect(await cordoned()).toEqual(['n1', 'n2']);
    await ask({ kind: 'approve', steps: ['handover/n1'] });
    await world.clock.until(async () => (await cordoned()).join() === 'n2', 'n1 to be taken back');
    await ask({ kind: 'undo', to: undefined });
    expect((await settled(world.clock, running.ended)).status?.phase).toBe('Undone');
    expect(await cordoned()).toEqual(['n2']);
    expect(await claims()).toEqual([]);
  });

  it('touches no node when a pod of one of them may not go', async () => {
    await world.client.create(world.ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: testNamespace, name: 'alone' },
      spec: { nodeName: 'n3', containers: [{ name: 'c', image: 'i' }] },
    });
    await startRun(world, nodeMaintenance, { nodes: ['n1', 'n3'] });
    const watched = fresh();
    const run = await settled(world.clock, execute('a', watched).ended);
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toContain('declare no controller (use --force to override): work/alone');
    expect(watched).toMatchObject({ cordonedMost: 0, evictions: 0 });
  });

  it('says which pod a budget never lets go', async () => {
    await startRun(world, nodeMaintenance, { nodes: ['n1'], drainTimeout: 60_000 });
    const stuck = startExecutor({
      world,
      runbooks: [nodeMaintenance],
      run: 'r1',
      identity: 'a',
      tap: async (request) =>
        request.url.includes('/eviction') ? { status: 429, headers: {}, body: null } : undefined,
    });
    const blocked = await settled(world.clock, stuck.ended);
    expect(blocked.status?.phase).toBe('Failed');
    expect(blocked.status?.message).toContain('could not be evicted within 50 s');
    expect(await cordoned()).toEqual(['n1']);
  });

  it('does not take a node for ready on an old heartbeat', async () => {
    await startRun(world, nodeMaintenance, { nodes: ['n1'], approve: true });
    const running = execute('a', fresh());
    const read = () => world.client.get(world.ctx, runs, { namespace: testNamespace, name: 'r1' });
    await world.clock.until(async () => (await read()).status?.phase === 'Waiting', 'it to wait');
    simulation.stopNode('n1');
    await ask({ kind: 'approve', steps: ['handover'] });
    const silent = await settled(world.clock, running.ended);
    expect(silent.status?.phase).toBe('Failed');
    expect(silent.status?.message).toContain('step ready/n1 is not proven: no heartbeat since');
  });
});
