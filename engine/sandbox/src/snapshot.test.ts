import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Context } from '@polyanthus/ground-base/context';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { clusterRoles, configMaps, secrets, type Secret } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { takeSnapshot, type Snapshot } from './snapshot.ts';

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

let cluster: TestCluster;
let client: KubeClient;
let ctx: Context;

beforeEach(async () => {
  cluster = await startTestCluster({ clock: createVirtualClock({ startMs: Date.UTC(2026, 4, 1) }) });
  client = createClient(cluster.transport);
  ctx = cluster.ctx;
});
afterEach(() => cluster.close());

const objectsOf = (snapshot: Snapshot, plural: string): readonly KubeObject[] =>
  snapshot.resources.find((one) => one.plural === plural)?.objects ?? [];

/** Lets requests through and writes their methods and paths down. */
function recording(transport: Transport, seen: string[]): Transport {
  return {
    ...transport,
    request: (inner, request) => {
      seen.push(`${request.method} ${request.url}`);
      return transport.request(inner, request);
    },
  };
}

describe('takeSnapshot', () => {
  it('reads every listable kind in pages, with GET alone', async () => {
    for (let index = 0; index < 7; index++)
      await client.create(ctx, configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: 'default', name: `settings-${index}` },
        data: { colour: 'blue' },
      });
    const seen: string[] = [];
    const reader = createClient(recording(cluster.transport, seen));
    const snapshot = await takeSnapshot(ctx, reader, { source: 'here', pageSize: 3 });
    expect(
      objectsOf(snapshot, 'configmaps').map((one) => [one.apiVersion, one.kind, one.metadata.name]),
    ).toContainEqual(['v1', 'ConfigMap', 'settings-6']);
    expect(snapshot).toMatchObject({ formatVersion: 1, takenAt: '2026-05-01T00:00:00Z', source: 'here', unread: [] });
    expect(snapshot.server.gitVersion).toMatch(/^v1\./);
    const roles = await client.list(ctx, clusterRoles);
    expect(objectsOf(snapshot, 'clusterroles').map((one) => one.metadata.name)).toEqual(
      roles.items.map((one) => one.metadata.name),
    );
    expect(roles.items.length).toBeGreaterThan(3);
    expect(seen.filter((one) => one.startsWith('GET /api/v1/configmaps?')).length).toBeGreaterThan(2);
    expect(seen.filter((one) => !one.startsWith('GET '))).toEqual([]);
    const kinds = snapshot.resources.map((one) => `${one.group}/${one.plural}`);
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kinds).not.toContain('events.k8s.io/events');
  });

  it('holds no value of a Secret, wherever a copy of it stands', async () => {
    const secret = 'c3dvcmRmaXNo';
    await client.create(
      ctx,
      secrets,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          namespace: 'default',
          name: 'database',
          labels: { app: 'shop' },
          annotations: {
            [lastApplied]: `{"data":{"password":"${secret}"}}`,
            'objectset.rio.cattle.io/applied': secret,
          },
        },
        data: { password: secret },
      },
      { fieldManager: 'somebody' },
    );
    await client.create(ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'default', name: 'plain', annotations: { [lastApplied]: '{}' } },
      data: { colour: 'blue' },
    });
    const snapshot = await takeSnapshot(ctx, client, { source: 'here' });
    const [copy] = objectsOf(snapshot, 'secrets') as readonly Secret[];
    expect(copy?.data).toEqual({ password: '' });
    expect(copy?.metadata).toMatchObject({ name: 'database', labels: { app: 'shop' } });
    expect(copy?.metadata).not.toHaveProperty('annotations');
    expect(copy?.metadata).not.toHaveProperty('managedFields');
    expect(JSON.stringify(snapshot)).not.toContain(secret);
    const [plain] = objectsOf(snapshot, 'configmaps') as readonly Secret[];
    expect(plain).toMatchObject({ data: { colour: 'blue' }, metadata: { annotations: { [lastApplied]: '{}' } } });
  });

  it('names what the caller may not read, with the words of the server', async () => {
    const stranger = createClient(cluster.transportAs({ username: 'eve', groups: ['system:authenticated'] }));
    const snapshot = await takeSnapshot(ctx, stranger, { source: 'here' });
    expect(snapshot.resources).toEqual([]);
    expect(snapshot.unread.find((one) => one.plural === 'secrets')?.reason).toContain(
      'secrets is forbidden: User "eve" cannot list resource "secrets"',
    );
  });

  it('refuses a cluster with more objects than allowed instead of copying a part', async () => {
    await expect(takeSnapshot(ctx, client, { source: 'here', objectsMax: 10 })).rejects.toMatchObject({
      code: 'SnapshotTooLarge',
    });
  });
});
