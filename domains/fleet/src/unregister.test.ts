import {
  clusterRoleBindings,
  customResourceDefinitions,
  namespaces,
  type RoleBinding,
} from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import {
  fleetRoleBindings,
  membershipBindings,
  memberships,
  type FleetRoleBinding,
} from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import { createClient } from '@polyanthus/kube-client/rest';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { unregister } from './unregister.ts';

const api = 'fleet.polyanthus.dev/v1';
const kinds = [memberships, fleetRoleBindings, membershipBindings];
const at = { namespace: 'default' };
/** A hub that is its own member. */
let cluster: TestCluster;
let client: KubeClient;
let externalId: string;
beforeAll(async () => {
  cluster = await startTestCluster();
  client = createClient(cluster.transport);
  for (const crd of ownCrds) await client.create(cluster.ctx, customResourceDefinitions, crd, { fieldManager });
  await vi.waitFor(() => Promise.all(kinds.map((kind) => client.list<KubeObject>(cluster.ctx, kind, at))));
  externalId = (await client.get(cluster.ctx, namespaces, { name: 'kube-system' })).metadata.uid ?? '';
});
afterAll(() => cluster.close());

const enter = (name: string, spec: object): Promise<unknown> =>
  client.create(cluster.ctx, memberships, { apiVersion: api, kind: 'Membership', metadata: { name, ...at }, spec });
const bindingOf = (name: string): RoleBinding => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name, labels: { [ownedLabel]: 'true' } },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'ana' }],
});

it('removes what registering made, and nothing of other parts of the product', async () => {
  await enter('self', { externalId });
  for (const name of [
    'polyanthus-agent-tunnel',
    'polyanthus:administrators',
    'gateway:self:ana:view',
    'gateway:b:ana:view',
  ])
    await client.create(cluster.ctx, clusterRoleBindings, bindingOf(name));
  await unregister(cluster.ctx, { hubClient: client, memberClient: client, fleet: 'default', name: 'self' });
  const left = (await client.list(cluster.ctx, clusterRoleBindings, { labelSelector: ownedLabel })).items;
  expect(left.map((one) => one.metadata.name)).toEqual(['gateway:b:ana:view', 'polyanthus:administrators']);
});

it('leaves no right behind for the next cluster of the name', async () => {
  await enter('edge', { externalId });
  const binding = (name: string, membership: string): FleetRoleBinding => ({
    apiVersion: api,
    kind: 'RBACRoleBinding',
    metadata: { name, ...at },
    spec: { membership, user: 'ana', role: { predefinedRole: 'ADMIN' } },
  });
  await client.create(cluster.ctx, fleetRoleBindings, binding('edge-admin', 'edge'));
  await client.create(cluster.ctx, fleetRoleBindings, binding('other-admin', 'other'));
  await client.create(cluster.ctx, membershipBindings, {
    apiVersion: api,
    kind: 'MembershipBinding',
    metadata: { name: 'edge-team', ...at },
    spec: { membership: 'edge', scope: 'team' },
  });
  await unregister(cluster.ctx, { hubClient: client, memberClient: undefined, fleet: 'default', name: 'edge' });
  const left = (await client.list(cluster.ctx, fleetRoleBindings, at)).items.map((one) => one.metadata.name);
  expect(left).toEqual(['other-admin']);
  expect((await client.list(cluster.ctx, membershipBindings, at)).items).toEqual([]);
});

it('cleans no cluster that the membership does not name', async () => {
  await enter('unknown', {});
  const options = { hubClient: client, memberClient: client, fleet: 'default', name: 'unknown' };
  await expect(unregister(cluster.ctx, options)).rejects.toMatchObject({ code: 'WrongCluster' });
});
