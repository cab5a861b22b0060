/** node-maintenance on a simulated cluster with real controllers, by virtual clock. The budget is kept by a stand-in. */
import { defectsOf } from '@polyanthus/engine-runbook/runbook';
import { requestOf, type RunRequest } from '@polyanthus/engine-runbook/requests';
import { settled, startExecutor, startRun, testNamespace, type Fate } from '@polyanthus/engine-runbook/testing';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { nodes, pods } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';
import { startMaintainedCluster, type MaintainedCluster } from './testing.ts';

const size = { nodes: ['n1', 'n2', 'n3', 'n4'], replicas: 8, minAvailable: 6 };
let cluster: MaintainedCluster;
beforeEach(async () => {
  cluster = await startMaintainedCluster(size);
});
afterEach(() => cluster.close());

const start = (parameters: Readonly<Record<string, unknown>>): Promise<Run> =>
  startRun(cluster.world, nodeMaintenance, parameters);
const finish = (identity: string): Promise<Run> => settled(cluster.world.clock, cluster.execute(identity).ended);
const read = (): Promise<Run> =>
  cluster.world.client.get(cluster.world.ctx, runs, { namespace: testNamespace, name: 'r1' });
const cordon = (name: string) =>
  cluster.world.client.patch(
    cluster.world.ctx,
    nodes,
    { name },
    { type: 'merge', body: { spec: { unschedulable: true } } },
  );
const ask = (request: RunRequest): Promise<Run> =>
  requestOf(cluster.world.ctx, cluster.world.client, { namespace: testNamespace, name: 'r1' }, request);

async function maintained(run: Run): Promise<void> {
  expect(run.status?.message ?? '').toBe('');
  expect(run.status?.phase).toBe('Succeeded');
  await cluster.world.clock.until(async () => (await cluster.readyPods()).length === size.replicas, 'all pods');
  expect(await cluster.claims()).toEqual([]);
}

it('is a sound runbook', () => {
  expect(defectsOf(nodeMaintenance)).toEqual([]);
});

describe('node-maintenance', () => {
  it('takes a window of nodes at once through their budgets, and leaves a foreign cordon', async () => {
    await cordon('n4');
    const before = new Set((await cluster.webPods()).map((pod) => pod.metadata.uid));
    await start({ nodes: size.nodes, window: 2 });
    await maintained(await finish('a'));
    expect(await cluster.cordoned()).toEqual(['n4']);
    expect(cluster.watched.cordonedMost).toBeLessThanOrEqual(3);
    expect(cluster.watched.refused).toBeGreaterThan(0);
    expect(cluster.watched.readyLeast).toBe(size.minAvailable);
    expect(cluster.watched.evictions).toBeGreaterThanOrEqual(size.replicas);
    expect((await cluster.webPods()).filter((pod) => before.has(pod.metadata.uid))).toEqual([]);
  });

  const random = createSeededRandom(31);
  it.each([1, 2, 3, 4])('ends just so when it is killed anywhere (%i)', async () => {
    await start({ nodes: ['n1', 'n2', 'n3'], window: 2 });
    const at = Math.floor(random.float() * 150);
    const victim = cluster.execute('victim', { at, how: random.float() < 0.5 ? 'before' : 'after' });
    await cluster.world.clock.until(victim.struck, `request ${at}`);
    victim.bury();
    await maintained(await finish('heir'));
    expect(await cluster.cordoned()).toEqual([]);
    expect(cluster.watched.cordonedMost).toBeLessThanOrEqual(2);
    expect(cluster.watched.readyLeast).toBeGreaterThanOrEqual(size.minAvailable);
  });

  it('waits for the approval of a node, and undo puts every node back as it was found', async () => {
    const { clock } = cluster.world;
    await cordon('n2');
    await start({ nodes: ['n1', 'n2'], window: 2, approve: true });
    const running = cluster.execute('a');
    await clock.until(async () => (await read()).status?.waitingFor?.length === 2, 'both to wait');
    expect(await cluster.cordoned()).toEqual(['n1', 'n2']);
    await ask({ kind: 'approve', steps: ['handover/n1'] });
    await clock.until(async () => (await cluster.cordoned()).join() === 'n2', 'n1 to be taken back');
    await ask({ kind: 'undo', to: undefined });
    expect((await settled(clock, running.ended)).status?.phase).toBe('Undone');
    expect(await cluster.cordoned()).toEqual(['n2']);
    expect(await cluster.claims()).toEqual([]);
  });

  it('touches no node when a pod of one of them may not go', async () => {
    await cluster.world.client.create(cluster.world.ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: testNamespace, name: 'alone' },
      spec: { nodeName: 'n3', containers: [{ name: 'c', image: 'i' }] },
    });
    await start({ nodes: ['n1', 'n3'] });
    const run = await finish('a');
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toContain('declare no controller (use --force to override): work/alone');
    expect(cluster.watched).toMatchObject({ cordonedMost: 0, evictions: 0 });
  });

  it('does not take a node for ready on an old heartbeat', async () => {
    await start({ nodes: ['n1'], approve: true });
    const running = cluster.execute('a');
    await cluster.world.clock.until(async () => (await read()).status?.phase === 'Waiting', 'it to wait');
    cluster.simulation.stopNode('n1');
    await ask({ kind: 'approve', steps: ['handover'] });
    const silent = await settled(cluster.world.clock, running.ended);
    expect(silent.status?.phase).toBe('Failed');
    expect(silent.status?.message).toContain('step ready/n1 is not proven: no heartbeat since');
  });
});

describe('a budget that never allows it', () => {
  const executeStuck = (identity = 'a', fate: Fate = {}) =>
    startExecutor({
      world: cluster.world,
      runbooks: [nodeMaintenance],
      run: 'r1',
      identity,
      fate,
      tap: async (request) =>
        request.url.includes('/eviction') ? { status: 429, headers: {}, body: null } : undefined,
    });

  it('leaves the run red, and the pod is named', async () => {
    await start({ nodes: ['n1'], drainTimeout: 60_000 });
    const blocked = await settled(cluster.world.clock, executeStuck().ended);
    expect(blocked.status?.phase).toBe('Failed');
    expect(blocked.status?.message).toContain('could not be evicted within 50 s');
    expect(await cluster.cordoned()).toEqual(['n1']);
  });

  it('is overruled after a time only where that was asked for', async () => {
    await start({ nodes: ['n1'], forceAfter: 120_000 });
    const began = cluster.world.clock.now();
    await maintained(await settled(cluster.world.clock, executeStuck().ended));
    expect(cluster.world.clock.now() - began).toBeGreaterThan(120_000);
  });

  it.each([
    ['forceAfter', 'Succeeded'],
    ['askAfter', 'Waiting'],
  ])('goes on being counted for %s when another executor takes over', async (parameter, phase) => {
    await start({ nodes: ['n1'], [parameter]: 600_000 });
    const { clock } = cluster.world;
    let refusedMs = Infinity;
    const victim = executeStuck('victim', {
      when: ({ url }) => {
        if (url.includes('/eviction')) refusedMs = Math.min(refusedMs, clock.now());
        return clock.now() > refusedMs + 400_000;
      },
      how: 'before',
    });
    await clock.until(victim.struck, 'the kill', 900_000);
    victim.bury();
    const heir = executeStuck('heir');
    heir.ended.catch(() => undefined);
    await clock.until(async () => (await read()).status?.phase === phase, phase, 900_000);
    expect(clock.now() - refusedMs).toBeGreaterThan(600_000 - 10_000);
    expect(clock.now() - refusedMs).toBeLessThan(900_000);
    heir.bury();
  });

  it('is asked about after a time, and overruled for the nodes that were approved', async () => {
    await start({ nodes: ['n1', 'n2'], window: 2, askAfter: 60_000 });
    const running = executeStuck();
    await cluster.world.clock.until(async () => (await read()).status?.phase === 'Waiting', 'the questions');
    expect((await read()).status?.waitingFor).toEqual(['overrule/n1', 'overrule/n2']);
    await ask({ kind: 'approve', steps: ['overrule/n1'] });
    await cluster.world.clock.until(async () => (await cluster.cordoned()).join() === 'n2', 'n1 to be taken back');
    await cluster.world.clock.advance(120_000);
    expect((await read()).status?.waitingFor).toEqual(['overrule/n2']);
    await ask({ kind: 'undo', to: undefined });
    expect((await settled(cluster.world.clock, running.ended)).status?.phase).toBe('Undone');
    expect(await cluster.cordoned()).toEqual([]);
  });
});
