import { systemRandom } from '@polyanthus/ground-base/random';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, secrets } from '@polyanthus/kube-kinds/core';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sharedIdentity } from './cluster-identity.ts';

const at = { namespace: 'polyanthus-system', name: 'who' };
let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startTestCluster();
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: at.namespace } };
  await createClient(cluster.transport).create(cluster.ctx, namespaces, namespace);
});
afterEach(() => cluster.close());

it('is the same for all replicas, whoever comes first', async () => {
  const client = createClient(cluster.transport);
  const found = await Promise.all([1, 2, 3].map(() => sharedIdentity(cluster.ctx, client, at, systemRandom)));
  const later = await sharedIdentity(cluster.ctx, client, at, systemRandom);
  expect(new Set([...found, later].map((one) => JSON.stringify(one))).size).toBe(1);
  expect(later.agentCa.certificatePem).not.toBe(later.servingCa.certificatePem);
});

it('is never made anew over a Secret that is damaged or somebody else’s', async () => {
  const client = createClient(cluster.transport);
  await client.create(cluster.ctx, secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { ...at }, type: 'Opaque' });
  const asked = sharedIdentity(cluster.ctx, client, at, systemRandom);
  await expect(asked).rejects.toMatchObject({ code: 'IdentityUnreadable' });
  expect((await client.get(cluster.ctx, secrets, at)).data).toBeUndefined();
});
