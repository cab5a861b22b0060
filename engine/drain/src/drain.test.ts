import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, nodes, pods, replicaSets, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { statusError } from '@polyanthus/kube-objects/status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drainNode, setUnschedulable, type DrainEvent } from './drain.ts';

const rules = { force: false, ignoreDaemonSets: true, deleteEmptyDirData: false, skipWaitForDeleteTimeoutSeconds: 0 };

describe('draining a node on the embedded API server', () => {
  let cluster: TestCluster;
  const clock = createTestClock();
  beforeEach(async () => {
    cluster = await startTestCluster({ clock });
    const client = createClient(cluster.transport);
    await client.create(cluster.ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns' } });
    await client.create(cluster.ctx, serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: 'ns' },
    });
    await client.create(cluster.ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    const owner = await client.create(cluster.ctx, replicaSets, {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'rs', namespace: 'ns' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    const pod = (name: string, node: string): Pod => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'ns',
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: owner.metadata.uid ?? '', controller: true },
        ],
      },
      spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i' }] },
    });
    for (const [name, node] of [
      ['a', 'n1'],
      ['b', 'n1'],
      ['c', 'n2'],
    ] as const)
      await client.create(cluster.ctx, pods, pod(name, node));
  });
  afterEach(() => cluster.close());

  it('cordons, evicts the pods of that node alone, and puts the cordon back as it was', async () => {
    const client = createClient(cluster.transport);
    expect(await setUnschedulable(cluster.ctx, client, 'n1', true)).toBe(false);
    expect(await setUnschedulable(cluster.ctx, client, 'n1', true)).toBe(true);
    const events: DrainEvent[] = [];
    const draining = drainNode(cluster.ctx, {
      client,
      node: 'n1',
      rules,
      timeoutMs: 60_000,
      retryMs: 5000,
      gracePeriodSeconds: 0,
      onEvent: (event) => events.push(event),
    });
    let done = false;
    void draining.finally(() => (done = true));
    await clock.until(() => done, 'the drain');
    expect((await draining).evicted.toSorted()).toEqual(['ns/a', 'ns/b']);
    expect((await client.list(cluster.ctx, pods, { namespace: 'ns' })).items.map((one) => one.metadata.name)).toEqual([
      'c',
    ]);
    expect(events.filter((event) => event.kind === 'gone')).toHaveLength(2);
    await setUnschedulable(cluster.ctx, client, 'n1', false);
    expect((await client.get(cluster.ctx, nodes, { name: 'n1' })).spec?.unschedulable).toBeUndefined();
  });

  it('refuses before it evicts anything when a pod may not go', async () => {
    const client = createClient(cluster.transport);
    await client.create(cluster.ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'alone', namespace: 'ns' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
    });
    await expect(drainNode(cluster.ctx, { client, node: 'n1', rules, timeoutMs: 1000, retryMs: 100 })).rejects.toThrow(
      'cannot delete Pods that declare no controller (use --force to override): ns/alone',
    );
    expect((await client.list(cluster.ctx, pods, { namespace: 'ns' })).items).toHaveLength(4);
  });

  it('waits for a budget, and says which one when the time is over', async () => {
    const client = createClient(cluster.transport);
    const refusing = {
      ...client,
      createAt: () =>
        Promise.reject(
          statusError(
            'TooManyRequests',
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods and has 2 currently",
          ),
        ),
    };
    const draining = drainNode(cluster.ctx, { client: refusing, node: 'n1', rules, timeoutMs: 12_000, retryMs: 5000 });
    const outcome = draining.then(
      () => undefined,
      (error: unknown) => error,
    );
    let ended = false;
    void outcome.then(() => (ended = true));
    await clock.until(() => ended, 'the end of the drain');
    expect(await outcome).toMatchObject({ code: 'DrainBlocked' });
    expect(String(await outcome)).toContain('disruption budget web');
  });
});
