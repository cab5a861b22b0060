import { createClient } from '@polyanthus/kube-client/rest';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { serveFleetKinds } from './bind-cases.ts';
import { recordConnection, type ConnectionChange } from './connection-status.ts';

const key = { namespace: 'default', name: 'edge' };
let cluster: TestCluster;
let client: KubeClient;
let uid = '';
beforeEach(async () => {
  cluster = await startTestCluster();
  client = createClient(cluster.transport);
  await vi.waitFor(() => serveFleetKinds(cluster.ctx, client));
  const object: Membership = { apiVersion: 'fleet.polyanthus.dev/v1', kind: 'Membership', metadata: { ...key } };
  uid = (await client.create(cluster.ctx, memberships, object)).metadata.uid ?? '';
  await setStatus({ holder: { replica: 'b', epoch: 7 }, kubernetes: { nodeCount: 3 } });
});
afterEach(() => cluster.close());

async function setStatus(status: NonNullable<Membership['status']>): Promise<void> {
  const patch = { type: 'merge', body: { status } } as const;
  await client.patch(cluster.ctx, memberships, key, patch, { subresource: 'status' });
}

const change = (more: Partial<ConnectionChange>): ConnectionChange => ({
  fleet: 'default',
  name: 'edge',
  membershipUid: uid,
  connected: true,
  agentVersion: '1.2.3',
  replica: 'b',
  epoch: 7,
  ...more,
});

const seen = async () => {
  const { status } = await client.get(cluster.ctx, memberships, key);
  return { ...status, connected: status?.conditions?.find((one) => one.type === 'Connected')?.status };
};

it('writes what the newest tunnel says, and leaves the holder and the rest as they are', async () => {
  await recordConnection(cluster.ctx, client, change({ kubernetesVersion: 'v1.37.2' }));
  expect(await seen()).toMatchObject({
    connected: 'True',
    agentVersion: '1.2.3',
    holder: { replica: 'b', epoch: 7 },
    kubernetes: { version: 'v1.37.2', nodeCount: 3 },
  });
});

it('is silent about a tunnel that was replaced, and about a membership that came anew', async () => {
  await recordConnection(cluster.ctx, client, change({}));
  await recordConnection(cluster.ctx, client, change({ connected: false, replica: 'a', epoch: 6 }));
  await recordConnection(cluster.ctx, client, change({ connected: false, membershipUid: 'another' }));
  expect((await seen()).connected).toBe('True');
});

it('does not overwrite the holder that came while it wrote', async () => {
  // Another replica claims between the read and the write: the write is refused, and read again.
  let raced = false;
  const racing: KubeClient = {
    ...client,
    get: async (ctx, type, at) => {
      const found = await client.get(ctx, type, at);
      if (!raced) {
        raced = true;
        await setStatus({ holder: { replica: 'c', epoch: 8 } });
      }
      return found;
    },
  };
  await recordConnection(cluster.ctx, racing, change({ connected: false }));
  const { holder, connected } = await seen();
  expect({ holder, connected }).toEqual({ holder: { replica: 'c', epoch: 8 }, connected: undefined });
});
