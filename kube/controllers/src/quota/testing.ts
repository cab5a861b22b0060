/** What every API server with our quota controller, and every other with kube-controller-manager's, must do. */
import { beforeAll, describe, it } from 'vitest';
import { configMaps, deployments, pods, services } from '@polyanthus/kube-kinds/core';
import { resourceQuotas, type ResourceQuota } from '@polyanthus/kube-kinds/quota/resource-quota';
import { deploymentOf, freshNamespace, mapOf, podSpec, untilGone, type World } from '../testing.ts';

/** Declares the suite; `open` gives the world once. */
export function quotaSuite(name: string, open: () => Promise<World>): void {
  describe(`quotas on ${name}`, () => {
    let world: World;
    beforeAll(async () => {
      world = await open();
    });

    const create = (namespace: string, hard: Record<string, string>, spec: object = {}): Promise<ResourceQuota> =>
      world.client.create(world.ctx, resourceQuotas, {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'q', namespace },
        spec: { hard, ...spec },
      });
    const untilUsed = (namespace: string, wanted: Record<string, string>): Promise<void> =>
      world.until(
        async () => {
          const { status } = await world.client.get(world.ctx, resourceQuotas, { namespace, name: 'q' });
          const used = status?.used ?? {};
          return (
            Object.keys(used).length === Object.keys(wanted).length &&
            Object.entries(wanted).every(([key, value]) => used[key] === value)
          );
        },
        `use of ${JSON.stringify(wanted)}`,
      );
    const pod = (namespace: string, podName: string, cpu: string, spec: object = {}): Promise<unknown> =>
      world.client.create(world.ctx, pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: podName, namespace },
        spec: {
          ...podSpec('v1'),
          containers: [{ name: 'c', image: 'v1', resources: { requests: { cpu }, limits: { memory: '1Gi' } } }],
          ...spec,
        },
      });

    it('are counted from what is there, by name, by cost and by kind', async () => {
      const namespace = await freshNamespace(world);
      await pod(namespace, 'a', '250m');
      await pod(namespace, 'b', '1', { activeDeadlineSeconds: 3600 });
      await world.client.create(world.ctx, configMaps, mapOf(namespace, 'm'));
      await world.client.create(world.ctx, deployments, deploymentOf(namespace, 'd', 'v1', { replicas: 0 }));
      await world.client.create(world.ctx, services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 's', namespace },
        spec: { type: 'NodePort', ports: [{ port: 80 }] },
      });
      await create(namespace, {
        pods: '9',
        'count/pods': '9',
        cpu: '9',
        'requests.cpu': '9',
        'requests.memory': '9Gi',
        'limits.memory': '9Gi',
        'limits.cpu': '9',
        'count/deployments.apps': '9',
        services: '9',
        'services.nodeports': '9',
        'services.loadbalancers': '9',
        persistentvolumeclaims: '9',
      });
      await untilUsed(namespace, {
        pods: '2',
        'count/pods': '2',
        cpu: '1250m',
        'requests.cpu': '1250m',
        'requests.memory': '2Gi',
        'limits.memory': '2Gi',
        'limits.cpu': '0',
        'count/deployments.apps': '1',
        services: '1',
        'services.nodeports': '1',
        'services.loadbalancers': '0',
        persistentvolumeclaims: '0',
      });
    });

    it('count what is in their scopes alone', async () => {
      const namespace = await freshNamespace(world);
      await pod(namespace, 'long', '1');
      await pod(namespace, 'short', '2', { activeDeadlineSeconds: 3600 });
      await create(namespace, { pods: '9', 'requests.cpu': '9' }, { scopes: ['Terminating', 'NotBestEffort'] });
      await untilUsed(namespace, { pods: '1', 'requests.cpu': '2' });
    });

    it('get back what ends and what goes', async () => {
      const namespace = await freshNamespace(world);
      await create(namespace, { pods: '9', 'count/pods': '9' });
      await untilUsed(namespace, { pods: '0', 'count/pods': '0' });
      await pod(namespace, 'a', '1m');
      await pod(namespace, 'b', '1m');
      await untilUsed(namespace, { pods: '2', 'count/pods': '2' });
      const body = { status: { phase: 'Failed' } };
      const patch = { type: 'merge', body } as const;
      await world.client.patch(world.ctx, pods, { namespace, name: 'a' }, patch, { subresource: 'status' });
      await untilUsed(namespace, { pods: '1', 'count/pods': '2' });
      for (const gone of ['a', 'b']) {
        await world.client.delete(world.ctx, pods, { namespace, name: gone }, { gracePeriodSeconds: 0 });
        await untilGone(world, pods, { namespace, name: gone });
      }
      await untilUsed(namespace, { pods: '0', 'count/pods': '0' });
    });

    it('take over what their spec says', async () => {
      const namespace = await freshNamespace(world);
      await create(namespace, { pods: '9', secrets: '9' });
      await untilUsed(namespace, { pods: '0', secrets: '0' });
      const body = { spec: { hard: { secrets: null, services: '3' } } };
      await world.client.patch(world.ctx, resourceQuotas, { namespace, name: 'q' }, { type: 'merge', body });
      await untilUsed(namespace, { pods: '0', services: '0' });
    });
  });
}
