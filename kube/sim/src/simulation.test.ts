import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import {
  events,
  leases,
  nodes,
  pods,
  serviceAccounts,
  type Node,
  type Pod,
  type PodSpec,
} from '@polyanthus/kube-kinds/core';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import type { SimNode } from './node/node.ts';
import { nominatedNode } from './scheduler/preemption.ts';
import { startSimulation, type Simulation, type SimulationOptions } from './simulation.ts';

const priorityClasses = resourceType('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass', false);

let clock: TestClock;
let server: TestCluster;
let client: KubeClient;
let simulation: Simulation | undefined;
let cancel: () => void;

beforeEach(async () => {
  clock = createTestClock();
  server = await startTestCluster({ clock, random: createSeededRandom(1) });
  client = createClient(server.transport);
  await client
    .create(server.ctx, serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { namespace: 'default', name: 'default' },
    })
    .catch(() => undefined);
});
afterEach(async () => {
  cancel();
  await simulation?.stopped;
  await server.close();
});

async function simulate(simulated: readonly SimNode[], more: Partial<SimulationOptions> = {}): Promise<Simulation> {
  const inner = withCancel(background({ clock }));
  cancel = () => inner.cancel();
  simulation = startSimulation(inner.ctx, {
    client,
    nodes: simulated,
    random: createSeededRandom(2),
    freeze: true,
    ...more,
  });
  await clock.until(async () => (await readyNodes()).length === simulated.length, 'all nodes to be ready');
  return simulation;
}

const readyNodes = async (): Promise<readonly Node[]> =>
  (await client.list(server.ctx, nodes)).items.filter((node) =>
    node.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
  );
const podOf = (name: string, spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'default', name },
  spec: { containers: [{ name: 'c', image: 'app' }], ...spec },
});
const create = (name: string, spec: Partial<PodSpec> = {}): Promise<Pod> =>
  client.create(server.ctx, pods, podOf(name, spec));
const get = (name: string): Promise<Pod> => client.get(server.ctx, pods, { namespace: 'default', name });
const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;
const cpu = (amount: string): PodSpec['containers'] => [
  { name: 'c', image: 'app', resources: { requests: { cpu: amount } } },
];

describe('simulated nodes', () => {
  it('fall silent when their data says so, and come back', async () => {
    await simulate([{ name: 'n1', outages: [{ fromMs: 60_000, untilMs: 180_000 }] }, { name: 'n2' }], {
      scheduler: false,
    });
    const renewedMs = async (name: string): Promise<number> => {
      const lease = await client.get(server.ctx, leases, { namespace: 'kube-node-lease', name });
      return parseKubeTime(lease.spec?.renewTime) ?? 0;
    };
    const startedMs = clock.now();
    await create('sleeper', { nodeName: 'n1' });
    await clock.until(async () => isReady(await get('sleeper')), 'the pod to run');
    await clock.advance(70_000);
    await client.delete(server.ctx, pods, { namespace: 'default', name: 'sleeper' });
    await clock.advance(80_000);
    expect((await renewedMs('n1')) - startedMs).toBeLessThan(61_000);
    expect(clock.now() - (await renewedMs('n2'))).toBeLessThan(11_000);
    // Nobody ends the pod while its kubelet is silent, long beyond its grace period.
    expect((await get('sleeper')).metadata.deletionTimestamp).toBeDefined();
    await clock.until(async () => (await client.list(server.ctx, pods)).items.length === 0, 'the pod to end');
    await clock.until(async () => clock.now() - (await renewedMs('n1')) < 11_000, 'heartbeats again');
    expect(clock.now() - startedMs).toBeGreaterThanOrEqual(175_000);
  });

  it('register with what they were given', async () => {
    await simulate([
      {
        name: 'n1',
        zone: 'z1',
        labels: { role: 'db' },
        address: '127.0.0.9',
        kubeletPort: 12_345,
        version: 'v1.36.3',
        capacity: { cpu: '3' },
        taints: [{ key: 'a', effect: 'NoSchedule' }],
      },
    ]);
    const [node] = await readyNodes();
    expect(node?.metadata.labels).toMatchObject({
      'topology.kubernetes.io/zone': 'z1',
      role: 'db',
      'kubernetes.io/hostname': 'n1',
    });
    expect(node?.spec).toMatchObject({ podCIDR: '10.128.0.0/24', taints: [{ key: 'a', effect: 'NoSchedule' }] });
    expect(node?.status).toMatchObject({
      capacity: { cpu: '3', pods: '110' },
      daemonEndpoints: { kubeletEndpoint: { Port: 12_345 } },
      nodeInfo: { kubeletVersion: 'v1.36.3' },
    });
    expect(node?.status?.addresses).toContainEqual({ type: 'InternalIP', address: '127.0.0.9' });
  });

  it('renew their leases for ever, and stop when told or deleted', async () => {
    const running = await simulate([{ name: 'n1' }, { name: 'n2' }]);
    expect(running.nodeNames).toEqual(['n1', 'n2']);
    const renewed = async (name: string): Promise<number> =>
      parseKubeTime((await client.get(server.ctx, leases, { namespace: 'kube-node-lease', name })).spec?.renewTime) ??
      0;
    await clock.advance(600_000);
    expect(clock.now() - (await renewed('n1'))).toBeLessThanOrEqual(10_000);
    running.stopNode('n1');
    await client.delete(server.ctx, nodes, { name: 'n2' });
    await clock.advance(600_000);
    expect(clock.now() - (await renewed('n1'))).toBeGreaterThan(580_000);
    expect(simulation?.nodeNames).toEqual([]);
  });

  it('run by the hundred', async () => {
    const many = Array.from({ length: 200 }, (_each, index) => ({ name: `n${index}` }));
    const metrics = new MetricsRegistry();
    await simulate(many, { metrics });
    await clock.advance(60_000);
    const all = await readyNodes();
    expect(new Set(all.map((node) => node.spec?.podCIDR)).size).toBe(200);
    expect((await client.list(server.ctx, leases, { namespace: 'kube-node-lease' })).items).toHaveLength(200);
    expect(metrics.expose()).not.toContain('result="error"');
  }, 30_000);
});

describe('simulated pods', () => {
  it('are placed, start, become ready and get an address of their node', async () => {
    await simulate([{ name: 'n1', podCidr: '10.9.0.0/24' }]);
    await create('a');
    await clock.until(async () => (await get('a')).status?.phase === 'Running', 'running', 2000);
    expect(isReady(await get('a'))).toBe(false);
    await clock.until(async () => isReady(await get('a')), 'ready', 2000);
    expect(simulation?.podsOn('n1').map((pod) => pod.metadata.name)).toEqual(['a']);
    expect(simulation?.podsOn('n2')).toEqual([]);
    const { spec, status } = await get('a');
    expect(spec.nodeName).toBe('n1');
    expect(status).toMatchObject({ podIP: '10.9.0.2', podIPs: [{ ip: '10.9.0.2' }], hostIP: '127.0.0.1' });
    expect(status?.containerStatuses?.[0]).toMatchObject({ ready: true, started: true, restartCount: 0, image: 'app' });
  });

  it('end within their grace period, and are killed when they do not', async () => {
    const slow = { match: { image: 'slow' }, shutdownMs: 3_600_000 };
    await simulate([{ name: 'n1' }], { behaviours: [slow] });
    await create('quick');
    await create('slow', { containers: [{ name: 'c', image: 'slow' }], terminationGracePeriodSeconds: 30 });
    await clock.until(async () => isReady(await get('quick')) && isReady(await get('slow')), 'both ready');
    const startMs = clock.now();
    const goneAfter = async (name: string): Promise<number> => {
      await clock.until(
        () =>
          get(name).then(
            () => false,
            () => true,
          ),
        `${name} to be gone`,
        60_000,
      );
      return clock.now() - startMs;
    };
    for (const name of ['quick', 'slow']) await client.delete(server.ctx, pods, { namespace: 'default', name });
    expect(await goneAfter('quick')).toBeLessThan(2000);
    const slowMs = await goneAfter('slow');
    expect(slowMs).toBeGreaterThan(28_000);
    expect(slowMs).toBeLessThan(32_000);
  });

  it('crash-loop, fail for good, or cannot be pulled, as their behaviour says', async () => {
    const behaviours = [
      { match: { image: 'crash' }, runs: [{ durationMs: 100, exitCode: 7 }] },
      { match: { image: 'missing' }, imagePullFails: true },
    ];
    await simulate([{ name: 'n1' }], { behaviours });
    await create('loop', { containers: [{ name: 'c', image: 'crash' }] });
    await create('once', { containers: [{ name: 'c', image: 'crash' }], restartPolicy: 'Never' });
    await create('nope', { containers: [{ name: 'c', image: 'missing' }] });
    await clock.until(
      async () => ((await get('loop')).status?.containerStatuses?.[0]?.restartCount ?? 0) >= 3,
      'three restarts',
    );
    await clock.until(
      async () => (await get('loop')).status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
      'CrashLoopBackOff',
    );
    expect((await get('once')).status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 7, reason: 'Error' } } }],
    });
    const waitsFor = async (): Promise<unknown> =>
      (await get('nope')).status?.containerStatuses?.[0]?.state?.waiting?.reason;
    await clock.until(async () => (await waitsFor()) === 'ImagePullBackOff', 'the image to be waited for');
    await clock.until(async () => (await waitsFor()) === 'ErrImagePull', 'the image to be tried again');
  });
});

describe('the simulated scheduler', () => {
  it('spreads pods over nodes and leaves a pod that fits nowhere pending, with the reason, until there is room', async () => {
    await simulate([
      { name: 'n1', capacity: { cpu: '2' } },
      { name: 'n2', capacity: { cpu: '2' } },
    ]);
    for (const name of ['a', 'b', 'c']) await create(name, { containers: cpu('1500m') });
    await clock.until(
      async () => (await get('c')).status?.conditions?.some((each) => each.reason === 'Unschedulable') ?? false,
      'c to be unschedulable',
    );
    expect(new Set([(await get('a')).spec.nodeName, (await get('b')).spec.nodeName])).toEqual(new Set(['n1', 'n2']));
    expect((await get('c')).status?.conditions?.find((each) => each.type === 'PodScheduled')).toMatchObject({
      status: 'False',
      message: '0/2 nodes are available: 2 Insufficient cpu.',
    });
    await clock.until(
      async () =>
        (await client.list(server.ctx, events, { namespace: 'default' })).items.some(
          (each) => each.reason === 'FailedScheduling',
        ),
      'the event',
    );
    await client.delete(server.ctx, pods, { namespace: 'default', name: 'a' });
    await clock.until(async () => isReady(await get('c')), 'c to run', 60_000);
  });

  it('drives out pods of lower priority for one that matters more, and keeps their room for it', async () => {
    const small = { cpu: '2', memory: '4Gi', pods: '10' };
    await simulate([{ name: 'n1', capacity: small }], {
      behaviours: [{ startDelayMs: 100, readyDelayMs: 100, shutdownMs: 5000 }],
    });
    for (const [name, preemptionPolicy] of [
      ['high', 'PreemptLowerPriority'],
      ['polite', 'Never'],
    ] as const)
      await client.create(server.ctx, priorityClasses, {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name },
        ...({ value: 1000, preemptionPolicy } as object),
      });
    const wants = (cpu: string, spec: Partial<PodSpec> = {}): Partial<PodSpec> => ({
      containers: [{ name: 'c', image: 'app', resources: { requests: { cpu } } }],
      terminationGracePeriodSeconds: 30,
      ...spec,
    });
    for (const name of ['low-1', 'low-2']) await create(name, wants('1'));
    await clock.until(async () => isReady(await get('low-1')) && isReady(await get('low-2')), 'the first two');
    await create('polite', wants('2', { priorityClassName: 'polite' }));
    const waits = (name: string) => async (): Promise<boolean> =>
      (await get(name)).status?.conditions?.some(({ reason }) => reason === 'Unschedulable') ?? false;
    await clock.until(waits('polite'), 'the polite one to wait');
    expect((await get('low-1')).metadata.deletionTimestamp).toBeUndefined();
    await client.delete(server.ctx, pods, { namespace: 'default', name: 'polite' });
    await create('high', wants('2', { priorityClassName: 'high' }));
    await clock.until(async () => nominatedNode(await get('high')) === 'n1', 'the promise');
    expect((await get('low-1')).status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', reason: 'PreemptionByScheduler' }),
    );
    // One of no importance comes meanwhile: the room that gets free is not for it.
    await create('late', wants('1'));
    await clock.until(async () => isReady(await get('high')), 'the one that matters');
    expect((await get('late')).spec.nodeName).toBeUndefined();
    const said = (await client.list(server.ctx, events, { namespace: 'default' })).items;
    expect(said.filter(({ reason }) => reason === 'Preempted')).toHaveLength(2);
  });

  it('leaves cordoned nodes alone and uses them again', async () => {
    await simulate([{ name: 'n1' }]);
    await client.patch(server.ctx, nodes, { name: 'n1' }, { type: 'merge', body: { spec: { unschedulable: true } } });
    await clock.advance(10);
    await create('a');
    await clock.until(
      async () =>
        (await get('a')).status?.conditions?.some(
          (each) => each.message === '0/1 nodes are available: 1 node(s) were unschedulable.',
        ) ?? false,
      'unschedulable',
    );
    await client.patch(server.ctx, nodes, { name: 'n1' }, { type: 'merge', body: { spec: { unschedulable: null } } });
    await clock.until(async () => isReady(await get('a')), 'a to run', 10_000);
  });
});
