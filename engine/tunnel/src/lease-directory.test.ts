import { withCancel } from '@polyanthus/ground-base/context';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { leases } from '@polyanthus/kube-kinds/core';
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
