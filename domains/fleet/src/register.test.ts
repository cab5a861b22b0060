import { systemRandom } from '@polyanthus/ground-base/random';
import { createClient } from '@polyanthus/kube-client/rest';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { expect, it, vi } from 'vitest';
import { serveFleetKinds } from './bind-cases.ts';
import { register } from './register.ts';

it('leaves the ceiling of a membership as it is when it is registered again without one', async () => {
  const cluster = await startTestCluster();
  const client = createClient(cluster.transport);
  await vi.waitFor(() => serveFleetKinds(cluster.ctx, client));
  const options = {
    hubClient: client,
    memberClient: client,
    fleet: 'default',
    name: 'edge',
    agent: 'manifest' as const,
    adopt: false,
    random: systemRandom,
    tokenTtlMs: 1,
  };
  const ceiling = async (): Promise<string | undefined> =>
    (await client.get(cluster.ctx, memberships, { namespace: 'default', name: 'edge' })).spec?.ceiling;
  await register(cluster.ctx, { ...options, ceiling: 'readonly' });
  await register(cluster.ctx, options);
  expect(await ceiling()).toBe('readonly');
  await register(cluster.ctx, { ...options, ceiling: 'full' });
  expect(await ceiling()).toBe('full');
  await cluster.close();
});
