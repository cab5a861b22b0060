import { withCancel } from '@polyanthus/ground-base/context';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { leases } from '@polyanthus/kube-kinds/core';
import type { Membership } from '@polyanthus/kube-kinds/own/fleet';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { expect, it } from 'vitest';
import { createLeaseDirectory, type LeaseDirectory } from './lease-directory.ts';

it('gives up a replica that no longer renews, and removes its Lease in time', async () => {
  const clock = createVirtualClock();
  const cluster = await startTestCluster({ clock });
  const client = createClient(cluster.transport);
  const directory = (replica: string, through: KubeClient): LeaseDirectory =>
    createLeaseDirectory({
      client: through,
      namespace: 'default',
      replica,
      internalUrl: `https://${replica}:8444`,
      findMembership: () => undefined,
    });
  const a = directory('a', client);
  // A killed replica deletes nothing.
  const killed = directory('b', { ...client, delete: () => Promise.reject(new Error('killed')) });
  const [lifeOfA, lifeOfB] = [withCancel(cluster.ctx), withCancel(cluster.ctx)];
  const running = a.run(lifeOfA.ctx);
  const dying = killed.run(lifeOfB.ctx);
  await clock.advance(5_000);
  expect(a.urlOf('b')).toBe('https://b:8444');
  lifeOfB.cancel();
  await dying;
  const names = async (): Promise<readonly (string | undefined)[]> =>
    (await client.list(cluster.ctx, leases, { namespace: 'default' })).items.map((one) => one.metadata.name);
  await clock.advance(30_000);
  expect(a.urlOf('b')).toBeUndefined();
  expect(await names()).toEqual(['polyanthus-hub-a', 'polyanthus-hub-b']);
  await clock.advance(300_000);
  expect(await names()).toEqual(['polyanthus-hub-a']);
  lifeOfA.cancel();
  await running;
  await cluster.close();
});

it('knows a replica that came after its last round as soon as that holds a tunnel', async () => {
  const clock = createVirtualClock();
  const cluster = await startTestCluster({ clock });
  const client = createClient(cluster.transport);
  let gets = 0;
  const counting: KubeClient = {
    ...client,
    get: (ctx, type, key) => {
      gets++;
      return client.get(ctx, type, key);
    },
  };
  const held = { metadata: {}, status: { holder: { replica: 'young', epoch: 4 } } } as Membership;
  const directory = createLeaseDirectory({
    client: counting,
    namespace: 'default',
    replica: 'a',
    internalUrl: 'https://a:8444',
    findMembership: () => held,
  });
  expect(await directory.holderOf(cluster.ctx, 'uid')).toBeUndefined();
  expect(await directory.holderOf(cluster.ctx, 'uid')).toBeUndefined();
  expect(gets).toBe(1);
  const metadata = { name: 'polyanthus-hub-young', annotations: { 'fleet.polyanthus.dev/internal-url': 'https://y' } };
  const spec = { holderIdentity: 'young', renewTime: '2026-01-01T00:00:00.000000Z' };
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...metadata, namespace: 'default' },
    spec,
  };
  await client.create(cluster.ctx, leases, lease);
  await clock.advance(1_000);
  expect(await directory.holderOf(cluster.ctx, 'uid')).toEqual({ replica: 'young', epoch: 4 });
  expect(directory.urlOf('young')).toBe('https://y');
  expect(await directory.holderOf(cluster.ctx, 'uid')).toBeDefined();
  expect(gets).toBe(2);
  await cluster.close();
});
