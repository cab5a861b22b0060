/** What every API server with our namespace and account controllers must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { clusterRoles, configMaps, namespaces, pods, secrets, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { deployments } from '@polyanthus/kube-kinds/core';
import {
  deploymentOf,
  find,
  freshNamespace,
  livePods,
  mapOf,
  untilGone,
  type World,
  suiteTimeoutMs,
} from '../testing.ts';

/** Declares the suite; `open` gives the world once. */
export function namespaceSuite(name: string, open: () => Promise<World>): void {
  describe(`namespaces and accounts on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    beforeAll(async () => {
      world = await open();
    });

    it('gives each namespace a default account and the CA, and repairs both', async () => {
      const namespace = await freshNamespace(world);
      const ca = async () => (await find(world, configMaps, { namespace, name: 'kube-root-ca.crt' }))?.data?.['ca.crt'];
      await world.until(async () => (await ca()) === 'PEM of the CA', 'kube-root-ca.crt');
      await world.client.patch(
        world.ctx,
        configMaps,
        { namespace, name: 'kube-root-ca.crt' },
        { type: 'merge', body: { data: { 'ca.crt': 'forged' } } },
      );
      await world.until(async () => (await ca()) === 'PEM of the CA', 'the CA again');
      const account = await world.client.get(world.ctx, serviceAccounts, { namespace, name: 'default' });
      await world.client.delete(world.ctx, serviceAccounts, { namespace, name: 'default' });
      await world.until(async () => {
        const again = await find(world, serviceAccounts, { namespace, name: 'default' });
        return again !== undefined && again.metadata.uid !== account.metadata.uid;
      }, 'a new default account');
    });

    it('fills token Secrets and deletes them with their account', async () => {
      const namespace = await freshNamespace(world);
      await world.client.create(world.ctx, serviceAccounts, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { namespace, name: 'robot' },
      });
      const annotations = { 'kubernetes.io/service-account.name': 'robot' };
      await world.client.create(world.ctx, secrets, {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/service-account-token',
        metadata: { namespace, name: 'robot-token', annotations },
      });
      await world.until(
        async () => (await find(world, secrets, { namespace, name: 'robot-token' }))?.data?.['token'] !== undefined,
        'the token',
      );
      const secret = await world.client.get(world.ctx, secrets, { namespace, name: 'robot-token' });
      const payload =
        Buffer.from(secret.data?.['token'] ?? '', 'base64')
          .toString()
          .split('.')[1] ?? '';
      expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
        sub: `system:serviceaccount:${namespace}:robot`,
      });
      await world.client.delete(world.ctx, serviceAccounts, { namespace, name: 'robot' });
      await untilGone(world, secrets, { namespace, name: 'robot-token' });
    });

    it('empties a namespace and lets it go', async () => {
      const namespace = await freshNamespace(world);
      await world.client.create(world.ctx, configMaps, mapOf(namespace, 'content'));
      await world.client.create(world.ctx, deployments, deploymentOf(namespace, 'app', 'v1', { replicas: 2 }));
      await world.until(async () => (await livePods(world, namespace, 'app')).length === 2, 'two pods');
      await world.client.delete(world.ctx, namespaces, { name: namespace });
      await untilGone(world, namespaces, { name: namespace });
      expect((await world.client.list(world.ctx, pods, { namespace })).items).toEqual([]);
    });

    it('says which finalizers hold a namespace, and goes on when they are released', async () => {
      const namespace = await freshNamespace(world);
      await world.client.create(world.ctx, configMaps, mapOf(namespace, 'held', { finalizers: ['test.io/hold'] }));
      await world.client.delete(world.ctx, namespaces, { name: namespace });
      const condition = async (type: string) =>
        (await find(world, namespaces, { name: namespace }))?.status?.conditions?.find((each) => each.type === type);
      await world.until(
        async () => (await condition('NamespaceFinalizersRemaining'))?.status === 'True',
        'the condition',
      );
      expect(await condition('NamespaceContentRemaining')).toMatchObject({
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: configmaps. has 1 resource instances',
      });
      expect((await condition('NamespaceFinalizersRemaining'))?.message).toBe(
        'Some content in the namespace has finalizers remaining: test.io/hold in 1 resource instances',
      );
      expect((await find(world, namespaces, { name: namespace }))?.status?.phase).toBe('Terminating');
      await world.client.patch(
        world.ctx,
        configMaps,
        { namespace, name: 'held' },
        { type: 'merge', body: { metadata: { finalizers: null } } },
      );
      await untilGone(world, namespaces, { name: namespace });
    });

    it('aggregates ClusterRoles, and follows changes of their parts', async () => {
      const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] });
      const part = (role: string, resource: string) => ({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: role, labels: { 'test.io/sum': 'yes' } },
        rules: [rule(resource)],
      });
      await world.client.create(world.ctx, clusterRoles, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'sum' },
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { 'test.io/sum': 'yes' } }] },
      });
      await world.client.create(world.ctx, clusterRoles, part('sum-b', 'pods'));
      await world.client.create(world.ctx, clusterRoles, part('sum-a', 'nodes'));
      const rules = async () =>
        ((await world.client.get(world.ctx, clusterRoles, { name: 'sum' })).rules ?? []).map(
          (each) => each.resources?.[0],
        );
      await world.until(async () => (await rules()).join() === 'nodes,pods', 'both rules');
      await world.client.delete(world.ctx, clusterRoles, { name: 'sum-a' });
      await world.until(async () => (await rules()).join() === 'pods', 'one rule');
    });
  });
}
