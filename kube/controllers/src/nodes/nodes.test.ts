import { afterEach, describe, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createClient } from '@polyanthus/kube-client/rest';
import { deployments, events, nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { daemonSets } from '@polyanthus/kube-kinds/workloads';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';
import { daemonSetOf } from '../daemonset/testing.ts';
import { startControllers } from '../start.ts';
import {
  clientAs,
  deploymentOf,
  find,
  freshNamespace,
  livePods,
  patiently,
  suiteTimeoutMs,
  testBehaviours,
  type World,
} from '../testing.ts';
import { conditionOf, isNodeReady, withLabelCopies, withTaints } from './node-state.ts';
import { evictionRate } from './pace.ts';
import { tolerationMs } from './taint-eviction.ts';

interface NodeWorld extends World {
  readonly simulation: Simulation;
  readonly now: () => number;
}

let closing: (() => Promise<void>) | undefined;
afterEach(async () => {
  await closing?.();
  closing = undefined;
});

/** All controllers over simulated nodes that can fall silent. */
async function open(names: readonly string[]): Promise<NodeWorld> {
  const clock = createTestClock();
  const random = createSeededRandom(11);
  const server = await startTestCluster({ clock, random });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(server.transport);
  const controllers = startControllers(ctx, { client, random, freeze: true });
  const simulation = startSimulation(ctx, {
    client,
    random,
    nodes: names.map((name) => ({ name })),
    behaviours: testBehaviours,
    freeze: true,
  });
  closing = async () => {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await server.close();
  };
  const world: NodeWorld = {
    ctx,
    client,
    simulation,
    now: () => clock.now(),
    as: (username, ...groups) => clientAs(server.transport, username, groups),
    pass: (ms) => clock.advance(ms),
    until: (condition, what) => patiently(() => clock.until(condition, what, 1_000_000)),
  };
  for (const name of names)
    await world.until(async () => {
      const node = await find(world, nodes, { name });
      return node !== undefined && isNodeReady(node) && (node.spec?.taints ?? []).length === 0;
    }, `${name} to be ready`);
  return world;
}

const nodeOf = (world: World, name: string): Promise<Node> => world.client.get(world.ctx, nodes, { name });
const taintsOf = async (world: World, name: string): Promise<readonly string[]> =>
  ((await nodeOf(world, name)).spec?.taints ?? []).map(({ key, effect }) => `${key.split('/')[1]}:${effect}`);

/** A Deployment spread over the nodes, and a DaemonSet. */
async function load(world: World, replicas: number): Promise<string> {
  const namespace = await freshNamespace(world);
  await world.client.create(world.ctx, deployments, deploymentOf(namespace, 'app', 'v1', { replicas }));
  await world.client.create(world.ctx, daemonSets, daemonSetOf(namespace, 'agent', 'v1'));
  await world.until(async () => {
    const { status } = await world.client.get(world.ctx, deployments, { namespace, name: 'app' });
    return status?.availableReplicas === replicas;
  }, 'the load');
  return namespace;
}

describe('a silent node', { timeout: suiteTimeoutMs }, () => {
  it('is Unknown after its grace, loses its pods after their tolerations, and is as before once it is back', async () => {
    const world = await open(['n1', 'n2', 'n3']);
    const namespace = await load(world, 6);
    const on = async (name: string): Promise<readonly Pod[]> =>
      (await livePods(world, namespace, 'app')).filter((pod) => pod.spec.nodeName === name);
    expect(await on('n1')).not.toHaveLength(0);
    const silentMs = world.now();
    world.simulation.stopNode('n1');
    await world.until(async () => !isNodeReady(await nodeOf(world, 'n1')), 'n1 to be given up');
    const givenUpMs = world.now();
    expect(givenUpMs - silentMs).toBeGreaterThan(39_000);
    expect(givenUpMs - silentMs).toBeLessThanOrEqual(50_000);
    const node = await nodeOf(world, 'n1');
    expect(conditionOf(node, 'Ready')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    expect(conditionOf(node, 'DiskPressure')?.status).toBe('Unknown');
    await world.until(
      async () => (await taintsOf(world, 'n1')).join() === 'unreachable:NoSchedule,unreachable:NoExecute',
      'its taints',
    );
    const ready = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
    expect((await on('n1')).map(ready)).not.toContain('True');
    await world.until(async () => (await on('n1')).length === 0, 'its pods to be told to go');
    expect(world.now() - givenUpMs).toBeGreaterThanOrEqual(300_000);
    expect(world.now() - givenUpMs).toBeLessThan(320_000);
    const stuck = await world.client.list(world.ctx, pods, { namespace, fieldSelector: 'spec.nodeName=n1' });
    expect(stuck.items.map((pod) => pod.metadata.labels?.['app'])).toContain('agent');
    const evicted = stuck.items.find((pod) => pod.metadata.labels?.['app'] === 'app');
    expect(evicted?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', reason: 'DeletionByTaintManager' }),
    );
    expect((await livePods(world, namespace, 'agent')).map((pod) => pod.spec.nodeName)).toContain('n1');
    await world.until(async () => (await livePods(world, namespace, 'app')).every(isReady), 'the replacements');
    world.simulation.addNode({ name: 'n1' });
    await world.until(
      async () => isNodeReady(await nodeOf(world, 'n1')) && (await taintsOf(world, 'n1')).length === 0,
      'n1 to be back',
    );
    const said = (await world.client.list(world.ctx, events, { namespace: 'default' })).items;
    expect(said.map(({ reason, message }) => `${reason}: ${message}`)).toEqual(
      expect.arrayContaining([
        'RegisteredNode: Node n1 event: Registered Node n1 in Controller',
        'NodeNotReady: Node n1 status is now: NodeNotReady',
      ]),
    );
  });

  it('is followed by no other for ten seconds, and nobody is evicted in a blackout', async () => {
    const world = await open(['n1', 'n2', 'n3', 'n4', 'n5', 'n6']);
    const evicting = async (): Promise<readonly string[]> => {
      const list = await world.client.list(world.ctx, nodes);
      return list.items
        .filter((node) => (node.spec?.taints ?? []).some(({ effect }) => effect === 'NoExecute'))
        .map((node) => node.metadata.name ?? '');
    };
    for (const name of ['n1', 'n2']) world.simulation.stopNode(name);
    await world.until(async () => (await evicting()).length === 1, 'the first taint');
    const firstMs = world.now();
    await world.until(async () => (await evicting()).length === 2, 'the second taint');
    expect(world.now() - firstMs).toBeGreaterThanOrEqual(9_000);
    for (const name of ['n3', 'n4', 'n5', 'n6']) world.simulation.stopNode(name);
    await world.until(async () => {
      const list = await world.client.list(world.ctx, nodes);
      return list.items.every((node) => !isNodeReady(node)) && (await evicting()).length === 0;
    }, 'everything to be dark, and no eviction');
    await world.pass(600_000);
    expect(await evicting()).toEqual([]);
  });
});

describe('a node that is taken away', { timeout: suiteTimeoutMs }, () => {
  it('takes its pods along', async () => {
    const world = await open(['n1', 'n2']);
    const namespace = await load(world, 4);
    world.simulation.stopNode('n2');
    await world.client.delete(world.ctx, nodes, { name: 'n2' });
    await world.until(async () => {
      const { items } = await world.client.list(world.ctx, pods, { namespace });
      return items.every((pod) => pod.spec.nodeName === 'n1') && items.filter(isReady).length === 5;
    }, 'all pods on n1');
  });
});

describe('taints', { timeout: suiteTimeoutMs }, () => {
  it('follow cordons and conditions, leave those of others alone, and are taken off again', async () => {
    const world = await open(['n1']);
    const change = (body: unknown) => world.client.patch(world.ctx, nodes, { name: 'n1' }, { type: 'merge', body });
    await change({ spec: { unschedulable: true, taints: [{ key: 'own/own', effect: 'NoSchedule' }] } });
    await world.until(
      async () => (await taintsOf(world, 'n1')).join() === 'own:NoSchedule,unschedulable:NoSchedule',
      'the taint of the cordon',
    );
    await change({ spec: { unschedulable: null } });
    await world.until(async () => (await taintsOf(world, 'n1')).join() === 'own:NoSchedule', 'the uncordon');
    expect((await nodeOf(world, 'n1')).metadata.labels).toMatchObject({ 'beta.kubernetes.io/os': 'linux' });
  });

  it('of a kind that pods do not tolerate evict them at once, cancelled when taken off in time', async () => {
    const world = await open(['n1', 'n2']);
    const namespace = await load(world, 4);
    const taints = [{ key: 'own', value: 'x', effect: 'NoExecute' }];
    const change = (body: unknown) => world.client.patch(world.ctx, nodes, { name: 'n1' }, { type: 'merge', body });
    const patient: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: 'patient', labels: { app: 'patient' } },
      spec: {
        containers: [{ name: 'c', image: 'v1' }],
        nodeName: 'n1',
        tolerations: [{ key: 'own', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }],
      },
    };
    await world.client.create(world.ctx, pods, patient);
    await change({ spec: { taints } });
    await world.until(async () => {
      const live = await livePods(world, namespace, 'app');
      return live.length === 4 && live.every((pod) => pod.spec.nodeName === 'n2');
    }, 'all of the load on n2');
    await change({ spec: { taints: null } });
    await world.pass(120_000);
    expect(await find(world, pods, { namespace, name: 'patient' })).toBeDefined();
    await change({ spec: { taints } });
    await world.pass(50_000);
    expect(await livePods(world, namespace, 'patient')).toHaveLength(1);
    await world.until(async () => (await livePods(world, namespace, 'patient')).length === 0, 'the patient one to go');
  });
});

describe('rules', () => {
  it.each([
    [{ ready: 3, unready: 2 }, 0.1],
    [{ ready: 2, unready: 3 }, 0],
    [{ ready: 20, unready: 40 }, 0.01],
    [{ ready: 0, unready: 3 }, 0.1],
  ])('of a zone %o: %d nodes a second', (zone, rate) => {
    expect(evictionRate(zone)).toBe(rate);
  });

  it('for how long taints are borne: the shortest time of those that take them', () => {
    const taint = (key: string) => ({ key, effect: 'NoExecute' }) as const;
    const pod = (...tolerations: NonNullable<Pod['spec']['tolerations']>): Pod => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {},
      spec: { containers: [], tolerations },
    });
    const bears = (key: string, tolerationSeconds?: number) => ({
      key,
      operator: 'Exists',
      ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
    });
    expect(tolerationMs(pod(bears('a', 5)), [taint('a'), taint('b')])).toBe(0);
    expect(tolerationMs(pod(bears('a', 5), bears('b', 3)), [taint('a'), taint('b')])).toBe(3000);
    expect(tolerationMs(pod(bears('a')), [taint('a')])).toBe(Infinity);
    expect(tolerationMs(pod(), [])).toBe(Infinity);
  });

  it('change nothing where nothing is to change', () => {
    const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status: { conditions: [] } };
    expect(withTaints(node, undefined, 'now')).toBe(node);
    expect(withLabelCopies(node)).toBe(node);
    const unready = { ...node, status: { conditions: [{ type: 'Ready', status: 'False' as const }] } };
    const tainted = withTaints(unready, 'node.kubernetes.io/not-ready', 'now');
    expect(tainted.spec?.taints?.map(({ effect }) => effect)).toEqual(['NoSchedule', 'NoExecute']);
    expect(withTaints(tainted, 'node.kubernetes.io/not-ready', 'later')).toBe(tainted);
  });
});

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
