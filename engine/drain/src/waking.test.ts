/** What a drain is woken by, on the embedded API server by virtual clock; kubelet and disruption controller are stood in for. */
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, nodes, pods, replicaSets, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { statusError } from '@polyanthus/kube-objects/status';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { drainNode, type DrainEvent, type DrainResult } from './drain.ts';

const rules = { force: false, ignoreDaemonSets: true, deleteEmptyDirData: false, skipWaitForDeleteTimeoutSeconds: 0 };
const clock = createTestClock();
const labels = { app: 'web' };
let cluster: TestCluster;
let client: KubeClient;
let events: DrainEvent[];
beforeEach(async () => {
  cluster = await startTestCluster({ clock });
  client = createClient(cluster.transport);
  events = [];
  const { ctx } = cluster;
  await client.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns' } });
  const account = { name: 'default', namespace: 'ns' };
  await client.create(ctx, serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
  await client.create(ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const set = await client.create(ctx, replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'rs', namespace: 'ns' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  const uid = set.metadata.uid ?? '';
  for (const name of ['a', 'b']) {
    const pod = await client.create(ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'ns',
        labels,
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid, controller: true }],
      },
      spec: { nodeName: 'n1', terminationGracePeriodSeconds: 30, containers: [{ name: 'c', image: 'i' }] },
    });
    await says(pod, { running: {} });
  }
});
afterEach(() => cluster.close());

type State = NonNullable<NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]['state']>;

/** As its kubelet reports the container. */
async function says(pod: Pod, state: State): Promise<void> {
  const container = { name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state };
  const status = { phase: 'Running' as const, containerStatuses: [container] };
  await client.update(cluster.ctx, pods, { ...pod, status }, { subresource: 'status' });
}

const key = (name: string) => ({ namespace: 'ns', name });
const look = (name: string): Promise<Pod> => client.get(cluster.ctx, pods, key(name));
const remove = (name: string) => client.delete(cluster.ctx, pods, key(name), { gracePeriodSeconds: 0 });

/** As a kubelet ends a pod: first it says what became of the container. */
async function end(name: string): Promise<void> {
  await says(await look(name), { terminated: { exitCode: 0 } });
  await remove(name);
}

function draining(through: KubeClient = client) {
  let result: DrainResult | undefined;
  const drain = drainNode(cluster.ctx, {
    client: through,
    node: 'n1',
    rules,
    timeoutMs: 600_000,
    retryMs: 5000,
    onEvent: (event) => events.push(event),
  }).then((ended) => (result = ended));
  drain.catch(() => undefined);
  return { drain, done: () => result !== undefined };
}
const seen = (kind: DrainEvent['kind']): number => events.filter((event) => event.kind === kind).length;

it('sees pods end as they do, and takes their end for a word of the kubelet', async () => {
  const { drain, done } = draining();
  await clock.until(() => seen('evicted') === 2, 'the evictions');
  await clock.advance(1700);
  const endedMs = clock.monotonic();
  await end('a');
  await end('b');
  await clock.until(done, 'the drain');
  expect(clock.monotonic()).toBe(endedMs);
  const { evicted, word } = await drain;
  expect(evicted.toSorted()).toEqual(['ns/a', 'ns/b']);
  expect(word).toEqual({ pod: 'ns/b', atMs: endedMs });
});

it('takes it for no word of the kubelet when somebody deletes them by force', async () => {
  const { drain, done } = draining();
  await clock.until(() => seen('evicted') === 2, 'the evictions');
  await remove('a');
  await remove('b');
  await clock.until(done, 'the drain');
  expect((await drain).word).toBeUndefined();
});

it('looks at intervals where it may not watch', async () => {
  const blind: KubeClient = {
    ...client,
    // eslint-disable-next-line require-yield
    watch: async function* () {
      throw statusError('Forbidden', 'pods is forbidden: User "u" cannot watch resource "pods"');
    },
  };
  const { drain, done } = draining(blind);
  await clock.until(() => seen('evicted') === 2, 'the evictions');
  await clock.advance(500);
  await end('a');
  await end('b');
  const endedMs = clock.monotonic();
  await clock.until(done, 'the drain');
  expect(clock.monotonic() - endedMs).toBeLessThanOrEqual(1000);
  expect((await drain).word).toBeUndefined();
});

it('tries refused pods again as soon as their budget allows it, and no more of them than it allows', async () => {
  const budget: PodDisruptionBudget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { namespace: 'ns', name: 'web' },
    spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
  };
  const counts = { currentHealthy: 2, desiredHealthy: 2, expectedPods: 2, observedGeneration: 1 };
  const allow = async (disruptionsAllowed: number): Promise<void> => {
    const live = await client.get(cluster.ctx, podDisruptionBudgets, { namespace: 'ns', name: 'web' });
    const status = { ...counts, disruptionsAllowed };
    await client.update(cluster.ctx, podDisruptionBudgets, { ...live, status }, { subresource: 'status' });
  };
  await client.create(cluster.ctx, podDisruptionBudgets, budget);
  await allow(0);
  for (const name of ['a', 'b']) {
    const pod = await look(name);
    const status = { ...pod.status, conditions: [{ type: 'Ready', status: 'True' as const }] };
    await client.update(cluster.ctx, pods, { ...pod, status }, { subresource: 'status' });
  }
  const { drain, done } = draining();
  await clock.until(() => seen('blocked') === 2, 'two refusals');
  await clock.advance(1000);
  const nowMs = clock.monotonic();
  await allow(1);
  await clock.until(() => seen('evicted') === 1, 'one of them to go');
  expect(clock.monotonic()).toBe(nowMs);
  expect(seen('blocked')).toBe(2);
  await clock.advance(1000);
  await allow(1);
  await clock.until(() => seen('evicted') === 2, 'the other to go');
  expect(clock.monotonic()).toBe(nowMs + 1000);
  await end('a');
  await end('b');
  await clock.until(done, 'the drain');
  expect((await drain).blockedTimes).toBe(2);
});
