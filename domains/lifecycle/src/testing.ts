/** A simulated cluster to maintain: controllers, nodes, a Deployment, and a stand-in for its disruption budget. */
import {
  startExecutor,
  startWorld,
  testNamespace,
  type ExecutorSetup,
  type Fate,
  type TestExecutor,
  type World,
} from '@polyanthus/engine-runbook/testing';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { Mutex } from '@polyanthus/ground-base/mutex';
import type { HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { deployments, nodes, pods, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';
import { nodeMaintenance } from './node-maintenance.ts';

/** How large it is. */
export interface ClusterSize {
  readonly nodes: readonly string[];
  readonly replicas: number;
  readonly minAvailable: number;
}

/** What executors did to the cluster, seen at each of their writes. */
export interface Watched {
  evictions: number;
  refused: number;
  cordonedMost: number;
  readyLeast: number;
}

/** A cluster and what a test may look at. */
export interface MaintainedCluster {
  readonly world: World;
  readonly simulation: Simulation;
  readonly watched: Watched;
  /** An executor of run `r1`, watched and held to the budget. */
  execute(identity: string, fate?: Fate): TestExecutor;
  webPods(): Promise<readonly Pod[]>;
  readyPods(): Promise<readonly Pod[]>;
  cordoned(): Promise<readonly string[]>;
  /** Annotations of all nodes: claims, while a run holds them. */
  claims(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Starts it and waits until all pods are ready. */
export async function startMaintainedCluster(size: ClusterSize): Promise<MaintainedCluster> {
  const world = await startWorld(0);
  const { ctx, cancel } = withCancel(background({ clock: world.clock }));
  const random = createSeededRandom(5);
  const controllers = startControllers(ctx, { client: world.client, random });
  const simulation = startSimulation(ctx, {
    client: world.client,
    random,
    nodes: size.nodes.map((name) => ({ name })),
    behaviours: [{ startDelayMs: 2000, readyDelayMs: 3000, shutdownMs: 1000 }],
  });
  const watched: Watched = { evictions: 0, refused: 0, cordonedMost: 0, readyLeast: size.replicas };
  const looks = looksAt(world);
  const tap = budget(world, size, watched);
  await deploy(world, size, looks.readyPods);
  return {
    world,
    simulation,
    watched,
    ...looks,
    execute: (identity, fate = {}) =>
      startExecutor({ world, runbooks: [nodeMaintenance], run: 'r1', identity, fate, tap }),
    close: async () => {
      cancel();
      await Promise.all([controllers.stopped, simulation.stopped]);
      await world.close();
    },
  };
}

async function deploy(world: World, size: ClusterSize, readyPods: () => Promise<readonly Pod[]>): Promise<void> {
  const { client, clock, ctx } = world;
  await clock.until(async () => (await client.list(ctx, nodes)).items.length === size.nodes.length, 'nodes');
  const at = { namespace: testNamespace };
  await clock.until(async () => (await client.list(ctx, serviceAccounts, at)).items.length > 0, 'the account');
  const labels = { app: 'web' };
  const spec = { containers: [{ name: 'c', image: 'web' }], terminationGracePeriodSeconds: 1 };
  await client.create(ctx, deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...at, name: 'web' },
    spec: { replicas: size.replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  await clock.until(async () => (await readyPods()).length === size.replicas, 'the pods to be ready');
}

type Looks = Pick<MaintainedCluster, 'webPods' | 'readyPods' | 'cordoned' | 'claims'>;

function looksAt({ client, ctx }: World): Looks {
  const webPods = async (): Promise<readonly Pod[]> =>
    (await client.list(ctx, pods, { namespace: testNamespace, labelSelector: 'app=web' })).items;
  return {
    webPods,
    readyPods: async () =>
      (await webPods()).filter(
        (pod) =>
          pod.metadata.deletionTimestamp === undefined &&
          pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true,
      ),
    cordoned: async () =>
      (await client.list(ctx, nodes)).items
        .filter((node) => node.spec?.unschedulable === true)
        .map((node) => node.metadata.name ?? ''),
    claims: async () =>
      (await client.list(ctx, nodes)).items.flatMap((node) => Object.keys(node.metadata.annotations ?? {})),
  };
}

/** Says no as a budget of `minAvailable` does; one eviction at a time, as the API server counts them. */
function budget(world: World, size: ClusterSize, watched: Watched): NonNullable<ExecutorSetup['tap']> {
  const { readyPods, cordoned } = looksAt(world);
  const mutex = new Mutex();
  const evict = async (request: HttpRequest): Promise<HttpResponse> => {
    if ((await readyPods()).length > size.minAvailable) {
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
