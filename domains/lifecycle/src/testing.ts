/** A simulated cluster to maintain: controllers, nodes with their hosts, a Deployment and its disruption budget. */
import { createSystemdHost, type SystemdHost } from '@polyanthus/engine-hosts/testing';
import {
  startExecutor,
  startWorld,
  testNamespace,
  type ExecutorSetup,
  type Fate,
  type Gate,
  type TestExecutor,
  type World,
} from '@polyanthus/engine-runbook/testing';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import type { HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { deployments, nodes, pods, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { createInformer } from '@polyanthus/kube-runtime/informer';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';
import type { OpenHost } from './host-command.ts';
import { nodeMaintenanceOn } from './node-maintenance.ts';

/** How large it is. */
export interface ClusterSize {
  readonly nodes: readonly string[];
  readonly replicas: number;
  readonly minAvailable: number;
}

/** What executors asked of the cluster, and how far it went at any time. */
export interface Watched {
  evictions: number;
  refused: number;
  cordonedMost: number;
  readyLeast: number;
}

/** What an executor of a test may have of its own. */
export interface ExecutorMore {
  /** Sees its requests first. */
  readonly tap?: NonNullable<ExecutorSetup['tap']>;
  /** Sees its calls to hosts first. */
  readonly onHostCall?: (node: string, verb: string) => Promise<void>;
  /** Another runbook than `nodeMaintenanceOn`. */
  readonly runbook?: (open: OpenHost) => Runbook;
  readonly clock?: World['clock'];
  /** Another run than `r1`. */
  readonly run?: string;
}

/** A cluster and what a test may look at. */
export interface MaintainedCluster {
  readonly world: World;
  readonly simulation: Simulation;
  readonly watched: Watched;
  /** The host of a node. */
  machine(node: string): SystemdHost;
  /** An executor of run `r1`, watched and held to the budget. */
  execute(identity: string, fate?: Fate, more?: ExecutorMore): TestExecutor;
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
    nodes: size.nodes.map((name, index) => ({ name, address: addressOf(index) })),
    behaviours: [{ startDelayMs: 2000, readyDelayMs: 3000, shutdownMs: 1000 }],
  });
  const watched: Watched = { evictions: 0, refused: 0, cordonedMost: 0, readyLeast: size.replicas };
  const looks = looksAt(world);
  const machines = new Map(size.nodes.map((name, index) => [addressOf(index), createSystemdHost(name, world.clock)]));
  await deploy(world, size, looks.readyPods);
  const followed = await follow(ctx, world, watched);
  return {
    world,
    simulation,
    watched,
    ...looks,
    machine: (node) => known(machines.get(addressOf(size.nodes.indexOf(node))), node),
    execute: (identity, fate = {}, more = {}) => {
      const {
        tap = nothing,
        onHostCall = nothing,
        runbook = nodeMaintenanceOn,
        clock = world.clock,
        run = 'r1',
      } = more;
      return startExecutor({
        world: { ...world, clock },
        runbooks: (gate) => [runbook(openThrough(gate, machines, onHostCall))],
        run,
        identity,
        fate,
        tap: async (request) => (await tap(request)) ?? countEvictions(world, watched, request),
      });
    },
    close: async () => {
      cancel();
      await Promise.all([controllers.stopped, simulation.stopped, ...followed]);
      await world.close();
    },
  };
}

const addressOf = (index: number): string => `10.1.0.${index + 1}`;
const nothing = (): Promise<undefined> => Promise.resolve(undefined);
const known = (machine: SystemdHost | undefined, name: string): SystemdHost => {
  if (machine === undefined) throw new Error(`there is no machine ${name}`);
  return machine;
};

/** What tests ask a run to do on hosts. */
export const hostAccess = { knownHosts: '/etc/ssh/known_hosts', sshKey: '/root/key' };

/** The way of one executor to the hosts: closed when it is killed, held while it is stopped. */
function openThrough(
  gate: Gate,
  machines: ReadonlyMap<string, SystemdHost>,
  onCall: NonNullable<ExecutorMore['onHostCall']>,
): OpenHost {
  return ({ address }) => {
    const machine = known(machines.get(address), address);
    return {
      ...machine,
      run: (ctx, script) => {
        const verb = script.args?.[1] ?? '';
        return gate(`ssh ${verb}`, async () => {
          await onCall(machine.name, verb);
          return machine.run(ctx, script);
        });
      },
    };
  };
}

async function deploy(world: World, size: ClusterSize, readyPods: () => Promise<readonly Pod[]>): Promise<void> {
  const { client, clock, ctx } = world;
  const usable = async (): Promise<number> =>
    (await client.list(ctx, nodes)).items.filter((node) => (node.spec?.taints ?? []).length === 0).length;
  await clock.until(async () => (await usable()) === size.nodes.length, 'nodes without taints');
  await clock.advance(10_000);
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
  await client.create(ctx, podDisruptionBudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { ...at, name: 'web' },
    spec: { minAvailable: size.minAvailable, selector: { matchLabels: labels } },
  });
  const allowed = async (): Promise<number | undefined> =>
    (await client.get(ctx, podDisruptionBudgets, { ...at, name: 'web' })).status?.disruptionsAllowed;
  await clock.until(async () => (await readyPods()).length === size.replicas, 'the pods to be ready');
  await clock.until(async () => (await allowed()) === size.replicas - size.minAvailable, 'the budget to be counted');
}

type Looks = Pick<MaintainedCluster, 'webPods' | 'readyPods' | 'cordoned' | 'claims'>;

function looksAt({ client, ctx }: World): Looks {
  const webPods = async (): Promise<readonly Pod[]> =>
    (await client.list(ctx, pods, { namespace: testNamespace, labelSelector: 'app=web' })).items;
  return {
    webPods,
    readyPods: async () => (await webPods()).filter(isServing),
    cordoned: async () =>
      (await client.list(ctx, nodes)).items
        .filter((node) => node.spec?.unschedulable === true)
        .map((node) => node.metadata.name ?? ''),
    claims: async () =>
      (await client.list(ctx, nodes)).items.flatMap((node) => Object.keys(node.metadata.annotations ?? {})),
  };
}

/** Sees every state of nodes and pods, whoever changed them; answers when each follower has stopped. */
async function follow(ctx: Context, { client }: World, watched: Watched): Promise<readonly Promise<void>[]> {
  const random = createSeededRandom(6);
  const allNodes = createInformer(client, nodes, { random });
  const webPods = createInformer(client, pods, { random, namespace: testNamespace, labelSelector: 'app=web' });
  const lookAtNodes = (): void => {
    const cordoned = allNodes.list().filter((node) => node.spec?.unschedulable === true).length;
    watched.cordonedMost = Math.max(watched.cordonedMost, cordoned);
  };
  const lookAtPods = (): void =>
    void (watched.readyLeast = Math.min(watched.readyLeast, webPods.list().filter(isServing).length));
  for (const one of [allNodes, webPods]) one.start(ctx);
  await Promise.all([allNodes.synced, webPods.synced]);
  allNodes.onEvent({ onAdd: lookAtNodes, onUpdate: lookAtNodes });
  webPods.onEvent({ onUpdate: lookAtPods, onDelete: lookAtPods });
  return [allNodes.stopped, webPods.stopped];
}

/** Sends an eviction itself, to see its answer. */
async function countEvictions(world: World, watched: Watched, request: HttpRequest): Promise<HttpResponse | undefined> {
  if (request.method !== 'POST' || !request.url.includes('/eviction')) return undefined;
  const answer = await world.cluster.transport.request(world.ctx, request);
  if (answer.status === 429) watched.refused += 1;
  else watched.evictions += 1;
  return answer;
}
