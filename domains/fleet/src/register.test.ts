import { systemRandom } from '@polyanthus/ground-base/random';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces } from '@polyanthus/kube-kinds/core';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { agentNamespace } from '@polyanthus/kube-kinds/own/ownership';
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

it('waits for the end of what an earlier membership left behind', async () => {
  const cluster = await startTestCluster();
  const { ctx } = cluster;
  const client = createClient(cluster.transport);
  await vi.waitFor(() => serveFleetKinds(ctx, client));
  const key = { name: agentNamespace };
  const held = { apiVersion: 'v1', kind: 'Namespace', metadata: { ...key, finalizers: ['example.org/held'] } };
  await client.create(ctx, namespaces, held);
  await client.delete(ctx, namespaces, key);
  let done = false;
  const registering = register(ctx, {
    hubClient: client,
    memberClient: client,
    fleet: 'default',
    name: 'edge',
    agent: 'manifest',
    adopt: false,
    random: systemRandom,
    tokenTtlMs: 1,
  }).then(() => (done = true));
  await client.listAll(ctx, namespaces);
  expect([done, (await client.list(ctx, memberships, { namespace: 'default' })).items]).toEqual([false, []]);
  await client.patch(ctx, namespaces, key, { type: 'merge', body: { metadata: { finalizers: null } } });
  await client.get(ctx, namespaces, key).then(
    (left) => client.update(ctx, namespaces, { ...left, spec: { finalizers: [] } }, { subresource: 'finalize' }),
    () => undefined,
  );
  await registering;
  expect(done).toBe(true);
  await cluster.close();
});
