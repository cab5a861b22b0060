/** A world for tests of disruption: the embedded server, virtual time, this controller alone, and pods set by hand. */
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { pods, replicaSets, type Pod } from '@polyanthus/kube-kinds/core';
import {
  podDisruptionBudgets,
  type DisruptionStatus,
  type PodDisruptionBudget,
} from '@polyanthus/kube-kinds/disruption';
import type { OwnerReference } from '@polyanthus/kube-objects/meta';
import { createInformers, type Informers } from '@polyanthus/kube-runtime/informers';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { callApi, startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { disruptionController } from './controller.ts';

export const namespace = 'default';

/** All of it; `close` at the end. */
export interface DisruptionWorld {
  readonly cluster: TestCluster;
  readonly clock: TestClock;
  readonly ctx: Context;
  readonly client: KubeClient;
  close(): Promise<void>;
}

/** How the controller sees the world. */
export interface DisruptionView {
  /** Looks over the controller's shoulder. */
  readonly informers?: (real: Informers) => Informers;
  /** The client of its caches: a slow one, for instance. */
  readonly client?: (real: KubeClient, ctx: Context) => KubeClient;
}

export async function startDisruptionWorld(view: DisruptionView = {}): Promise<DisruptionWorld> {
  const clock = createTestClock();
  const random = createSeededRandom(5);
  const cluster = await startTestCluster({ clock, random });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(cluster.transport);
  const metrics = new MetricsRegistry();
  const informers = createInformers(view.client?.(client, ctx) ?? client, { random, metrics, freeze: true });
  informers.start(ctx);
  const env = { client, informers: view.informers?.(informers) ?? informers, random, metrics, clusterCaPem: undefined };
  const running = disruptionController.run(ctx, env);
  return {
    cluster,
    clock,
    ctx,
    client,
    close: async () => {
      cancel();
      await running;
      await cluster.close();
    },
  };
}

/** A ReplicaSet of `replicas`, and the reference that makes a pod its. */
export async function replicaSetOwner(
  { ctx, client }: DisruptionWorld,
  name: string,
  replicas: number,
  controller?: OwnerReference,
): Promise<OwnerReference> {
  const set = await client.create(ctx, replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace, ...(controller === undefined ? {} : { ownerReferences: [controller] }) },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'a' } },
      template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: set.metadata.uid ?? '', controller: true };
}

/** Makes a running pod labelled `app: a`. */
export async function createPod(
  { ctx, client }: DisruptionWorld,
  name: string,
  owner: OwnerReference | undefined,
  options: { readonly ready?: boolean; readonly graceSeconds?: number } = {},
): Promise<void> {
  const { ready = true, graceSeconds = 0 } = options;
  await client.create(ctx, pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'a' }, ...(owner === undefined ? {} : { ownerReferences: [owner] }) },
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      nodeName: 'n',
      terminationGracePeriodSeconds: graceSeconds,
    },
  });
  await setReady({ ctx, client }, name, ready);
}

/** Says whether a pod is ready, as its kubelet would; a pod that is gone is no failure. */
export async function setReady(
  { ctx, client }: Pick<DisruptionWorld, 'ctx' | 'client'>,
  name: string,
  ready: boolean,
): Promise<void> {
  const status = {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  };
  const key = { namespace, name };
  await client.patch(ctx, pods, key, { type: 'strategic', body: { status } }, { subresource: 'status' });
}

/** A budget over the pods labelled `app: a`. */
export function createBudget(
  { ctx, client }: DisruptionWorld,
  spec: NonNullable<PodDisruptionBudget['spec']>,
  name = 'b',
): Promise<PodDisruptionBudget> {
  return client.create(ctx, podDisruptionBudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace },
    spec: { selector: { matchLabels: { app: 'a' } }, ...spec },
  });
}

export async function budgetStatus({ ctx, client }: DisruptionWorld, name = 'b'): Promise<DisruptionStatus> {
  const { status } = await client.get(ctx, podDisruptionBudgets, { namespace, name });
  return status ?? { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
}

/** Asks once for the eviction of a pod; the HTTP status. A client would ask again by itself where the server says when. */
export async function evict({ ctx, cluster }: DisruptionWorld, name: string): Promise<number> {
  const body = { metadata: { name, namespace } };
  const url = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
  return (await callApi(ctx, cluster.transport, { method: 'POST', url, body })).status;
}

/** Whether the pod says it is ready and stays. */
export function isHealthy({ metadata, status }: Pod): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  );
}
