/** Random clusters to drain: nodes, owners of every sort, pods in every state, budgets of every shape. */
import type { Context } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import {
  deployments,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  type Pod,
} from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, resourceType, type ResourceType } from '@polyanthus/kube-objects/resource';
import type { DrainRules } from './filters.ts';

/** Who controls a pod; `gone` is a DaemonSet that is no more. */
export type Owner = 'deployment' | 'set' | 'stateful' | 'controller' | 'daemon' | 'gone' | 'job' | 'mirror' | 'none';

export interface RandomPod {
  readonly namespace: string;
  readonly name: string;
  readonly app: string;
  readonly node: string;
  readonly owner: Owner;
  readonly emptyDir: boolean;
  readonly state: 'ready' | 'unready' | 'Pending' | 'Succeeded' | 'Failed';
}

export interface RandomBudget {
  readonly namespace: string;
  readonly name: string;
  readonly apps: readonly string[];
  readonly spec: NonNullable<PodDisruptionBudget['spec']>;
}

/** One cluster, told apart from others by its names. */
export interface RandomCluster {
  readonly id: string;
  readonly namespaces: readonly string[];
  /** The first is drained. */
  readonly nodes: readonly string[];
  /** Those whose owner has no scale come first, so that what a failed count leaves behind does not depend on time. */
  readonly pods: readonly RandomPod[];
  readonly budgets: readonly RandomBudget[];
  readonly rules: DrainRules;
}

const scaled = ['deployment', 'set', 'stateful', 'controller'] as const;
const apps = ['a', 'b', 'c'];
/** More than a budget may take: then what goes first does not decide what may go at all. */
const replicas = 4;

/** The same cluster for the same seed. */
export function randomCluster(seed: number): RandomCluster {
  const random = createSeededRandom(seed);
  const chance = (probability: number): boolean => random.float() < probability;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.float() * from.length)] as T;
  const id = `w${seed}`;
  const tidy = chance(0.7);
  const spaces = [`${id}-x`, `${id}-y`];
  const nodeNames = [`${id}-n1`, `${id}-n2`];
  // One sort a namespace: of several, which is met first and named by a failed count is chance.
  const unscaled = spaces.map(() =>
    pick(tidy ? (['daemon', 'mirror'] as const) : (['daemon', 'gone', 'job', 'mirror'] as const)),
  );
  const ownerOf = (namespace: string): Owner => {
    if (chance(0.85)) return pick(scaled);
    return !tidy && chance(0.3) ? 'none' : (unscaled[spaces.indexOf(namespace)] ?? 'none');
  };
  const all = Array.from({ length: 6 + Math.floor(random.float() * 12) }, (_, index): RandomPod => {
    const namespace = pick(spaces);
    return {
      namespace,
      name: `p${index}`,
      app: pick(apps),
      node: chance(0.6) ? `${id}-n1` : `${id}-n2`,
      owner: ownerOf(namespace),
      emptyDir: chance(tidy ? 0.2 : 0.4),
      state: chance(0.7) ? 'ready' : pick(['unready', 'unready', 'Pending', 'Succeeded', 'Failed'] as const),
    };
  });
  const budgets = spaces.flatMap((namespace) =>
    Array.from({ length: Math.floor(random.float() * 3) }, (_, index): RandomBudget => ({
      namespace,
      name: `b${index}`,
      apps: chance(0.8) ? [apps[index] ?? 'a'] : ['a', 'b'],
      spec: {
        ...(chance(0.5)
          ? { minAvailable: pick([1, 1, 2, 4, '30%', '50%', '75%'] as const) }
          : { maxUnavailable: pick([0, 1, 1, 2, '10%', '50%'] as const) }),
        ...(chance(0.3) ? { unhealthyPodEvictionPolicy: 'AlwaysAllow' as const } : {}),
      },
    })),
  );
  const hasScale = ({ owner }: RandomPod): boolean => owner === 'none' || (scaled as readonly Owner[]).includes(owner);
  return {
    id,
    namespaces: spaces,
    nodes: nodeNames,
    pods: [...all.filter((pod) => !hasScale(pod)), ...all.filter(hasScale)],
    budgets,
    rules: {
      force: !tidy && chance(0.5),
      ignoreDaemonSets: tidy || chance(0.8),
      deleteEmptyDirData: tidy || chance(0.6),
      skipWaitForDeleteTimeoutSeconds: 0,
    },
  };
}

/** Budgets of a pod, by name. */
export function budgetsOfPod(cluster: RandomCluster, pod: RandomPod): readonly string[] {
  return cluster.budgets
    .filter(({ namespace, apps: selected }) => namespace === pod.namespace && selected.includes(pod.app))
    .map(({ name }) => name);
}

const any = (group: string, version: string, resource: string, kind: string): ResourceType =>
  resourceType(group, version, resource, kind, true);
const statefulSets = any('apps', 'v1', 'statefulsets', 'StatefulSet');
const daemonSets = any('apps', 'v1', 'daemonsets', 'DaemonSet');
const jobs = any('batch', 'v1', 'jobs', 'Job');
const replicationControllers = any('', 'v1', 'replicationcontrollers', 'ReplicationController');

type Owners = Readonly<Partial<Record<Owner, OwnerReference>>>;

/** Puts it on a server up to its budgets; answers the owners by namespace. */
export async function createFrame(
  ctx: Context,
  client: KubeClient,
  cluster: RandomCluster,
): Promise<ReadonlyMap<string, Owners>> {
  const owners = new Map<string, Owners>();
  const nodeUids: string[] = [];
  for (const name of cluster.nodes) {
    const node = await client.create(ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    nodeUids.push(node.metadata.uid ?? '');
  }
  for (const namespace of cluster.namespaces) {
    await client.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await client.create(ctx, serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace },
    });
    const mirror = { apiVersion: 'v1', kind: 'Node', name: cluster.nodes[0] ?? '', uid: nodeUids[0] ?? '' };
    owners.set(namespace, { ...(await createOwners(ctx, client, namespace)), mirror: { ...mirror, controller: true } });
  }
  for (const { namespace, name, apps: values, spec } of cluster.budgets)
    await client.create(ctx, podDisruptionBudgets, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { namespace, name },
      spec: { selector: { matchExpressions: [{ key: 'app', operator: 'In', values }] }, ...spec },
    });
  return owners;
}

const template = (label: string, more: object = {}): object => ({
  metadata: { labels: { owner: label } },
  spec: { containers: [{ name: 'c', image: 'i' }], ...more },
});

async function createOwners(ctx: Context, client: KubeClient, namespace: string): Promise<Owners> {
  const create = async (
    type: ResourceType,
    name: string,
    spec: object,
    above?: OwnerReference,
  ): Promise<OwnerReference> => {
    const metadata = { namespace, name, ...(above === undefined ? {} : { ownerReferences: [above] }) };
    const object = { apiVersion: apiVersionOf(type), kind: type.kind, metadata, spec } as KubeObject;
    const made = await client.create(ctx, type, object);
    return { apiVersion: apiVersionOf(type), kind: type.kind, name, uid: made.metadata.uid ?? '', controller: true };
  };
  const selecting = (label: string): object => ({
    selector: { matchLabels: { owner: label } },
    template: template(label),
  });
  const deployment = await create(deployments, 'd', { replicas, ...selecting('d') });
  return {
    deployment: await create(replicaSets, 'd-1', { replicas: replicas - 1, ...selecting('d') }, deployment),
    set: await create(replicaSets, 's', { replicas, ...selecting('s') }),
    stateful: await create(statefulSets, 'st', { replicas, serviceName: 'st', ...selecting('st') }),
    controller: await create(replicationControllers, 'rc', {
      replicas,
      selector: { owner: 'rc' },
      template: template('rc'),
    }),
    daemon: await create(daemonSets, 'ds', selecting('ds')),
    gone: { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'was', uid: 'no-more', controller: true },
    job: await create(jobs, 'j', { template: template('j', { restartPolicy: 'Never' }) }),
  };
}

/** Makes the pods, each in its state. */
export async function createPods(
  ctx: Context,
  client: KubeClient,
  cluster: RandomCluster,
  owners: ReadonlyMap<string, Owners>,
): Promise<void> {
  for (const pod of cluster.pods) {
    await client.create(ctx, pods, podOf(pod, owners.get(pod.namespace)?.[pod.owner]));
    if (pod.state === 'Pending') continue;
    const runs = pod.state === 'ready' || pod.state === 'unready';
    const conditions = [
      { type: 'Ready', status: pod.state === 'ready' ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ];
    const body = { status: { phase: runs ? 'Running' : pod.state, conditions } };
    const key = { namespace: pod.namespace, name: pod.name };
    await client.patch(ctx, pods, key, { type: 'merge', body }, { subresource: 'status' });
  }
}

function podOf(pod: RandomPod, owner: OwnerReference | undefined): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: pod.namespace,
      name: pod.name,
      labels: { app: pod.app },
      ...(owner === undefined ? {} : { ownerReferences: [owner] }),
      ...(pod.owner === 'mirror' ? { annotations: { 'kubernetes.io/config.mirror': 'x' } } : {}),
    },
    spec: {
      nodeName: pod.node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: 'i' }],
      ...(pod.emptyDir ? { volumes: [{ name: 'v', emptyDir: {} }] } : {}),
    },
  };
}
