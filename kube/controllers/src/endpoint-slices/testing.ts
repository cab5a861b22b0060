/** What every API server with our EndpointSlice controller must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { deployments, pods, services, type Service } from '@polyanthus/kube-kinds/core';
import { endpointSlices, type Endpoint, type EndpointSlice } from '@polyanthus/kube-kinds/discovery';
import { deploymentOf, freshNamespace, livePods, type World, suiteTimeoutMs } from '../testing.ts';
import { serviceNameLabel } from './packing.ts';

/** Declares the suite; `open` gives the world once. */
export function endpointSliceSuite(name: string, open: () => Promise<World>): void {
  describe(`endpoint slices on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const service = (app: string, spec: Service['spec'] = {}): Promise<Service> =>
      world.client.create(world.ctx, services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace, name: app, labels: { of: app } },
        spec: { selector: { app }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
      });
    const deploy = (app: string, replicas: number, image = 'v1') =>
      world.client.create(world.ctx, deployments, deploymentOf(namespace, app, image, { replicas }));
    const scale = (app: string, replicas: number) =>
      world.client.patch(
        world.ctx,
        deployments,
        { namespace, name: app },
        { type: 'merge', body: { spec: { replicas } } },
      );
    const slicesOf = async (app: string): Promise<readonly EndpointSlice[]> =>
      (await world.client.list(world.ctx, endpointSlices, { namespace, labelSelector: `${serviceNameLabel}=${app}` }))
        .items;
    const endpointsOf = async (app: string): Promise<readonly Endpoint[]> =>
      (await slicesOf(app)).flatMap(({ endpoints }) => endpoints ?? []);
    const ready = (app: string, count: number): Promise<void> =>
      world.until(async () => {
        const all = await endpointsOf(app);
        return all.length === count && all.every(({ conditions }) => conditions?.ready === true);
      }, `${count} ready endpoints of ${app}`);

    it('names ready pods with address, node and port, and an empty slice where there is none', async () => {
      await service('web');
      await world.until(async () => (await slicesOf('web')).length === 1, 'the placeholder');
      expect(await endpointsOf('web')).toEqual([]);
      await deploy('web', 2);
      await ready('web', 2);
      const [slice, ...others] = await slicesOf('web');
      expect(others).toEqual([]);
      expect(slice).toMatchObject({
        addressType: 'IPv4',
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
        metadata: {
          labels: { of: 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
        },
      });
      expect(slice?.metadata.name).toMatch(/^web-/);
      const live = await livePods(world, namespace, 'web');
      expect(new Set(slice?.endpoints?.flatMap(({ addresses }) => addresses))).toEqual(
        new Set(live.map((pod) => pod.status?.podIP)),
      );
      expect(new Set(slice?.endpoints?.map(({ nodeName }) => nodeName))).toEqual(
        new Set(live.map((pod) => pod.spec.nodeName)),
      );
      await scale('web', 0);
      await ready('web', 0);
      expect(await slicesOf('web')).toHaveLength(1);
    });

    it('says that a pod does not serve yet, and that one is on its way out', async () => {
      await service('slow');
      await deploy('slow', 1, 'never-ready');
      await world.until(async () => (await endpointsOf('slow')).length === 1, 'the endpoint');
      expect((await endpointsOf('slow'))[0]?.conditions).toEqual({ ready: false, serving: false, terminating: false });
      await service('going');
      await deploy('going', 1);
      await ready('going', 1);
      const [pod] = await livePods(world, namespace, 'going');
      await world.client.delete(world.ctx, pods, { namespace, name: pod?.metadata.name ?? '' });
      await world.until(
        async () =>
          (await endpointsOf('going')).some(
            ({ conditions, targetRef }) => conditions?.terminating === true && targetRef?.uid === pod?.metadata.uid,
          ) || (await livePods(world, namespace, 'going')).some((one) => one.metadata.uid !== pod?.metadata.uid),
        'the terminating endpoint',
      );
      await ready('going', 1);
      expect((await endpointsOf('going'))[0]?.targetRef?.uid).not.toBe(pod?.metadata.uid);
    });

    it('finds ports by name, follows the labels of the Service, and keeps off Services without selector', async () => {
      await service('named', { ports: [{ name: 'http', port: 80, targetPort: 'web' }] });
      const ports = [{ name: 'web', containerPort: 9090 }];
      const deployment = deploymentOf(namespace, 'named', 'v1', { replicas: 1 });
      const { spec } = deployment;
      await world.client.create(world.ctx, deployments, {
        ...deployment,
        spec: { ...spec, template: { ...spec.template, spec: { containers: [{ name: 'c', image: 'v1', ports }] } } },
      });
      await ready('named', 1);
      expect((await slicesOf('named'))[0]?.ports).toEqual([{ name: 'http', port: 9090, protocol: 'TCP' }]);
      const body = { metadata: { labels: { of: 'another' } } };
      await world.client.patch(world.ctx, services, { namespace, name: 'named' }, { type: 'merge', body });
      await world.until(
        async () => (await slicesOf('named'))[0]?.metadata.labels?.['of'] === 'another',
        'the new label',
      );
      await world.client.create(world.ctx, services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace, name: 'manual' },
        spec: { ports: [{ port: 80 }] },
      });
      await service('seen', { publishNotReadyAddresses: true, clusterIP: 'None', selector: { app: 'slow' } });
      await ready('seen', 1);
      expect((await slicesOf('seen'))[0]?.metadata.labels).toHaveProperty('service.kubernetes.io/headless', '');
      expect(await slicesOf('manual')).toEqual([]);
    });

    it('goes with its Service, and comes back when somebody deletes it', async () => {
      await service('gone');
      await world.until(async () => (await slicesOf('gone')).length === 1, 'the slice');
      const [slice] = await slicesOf('gone');
      await world.client.delete(world.ctx, endpointSlices, { namespace, name: slice?.metadata.name ?? '' });
      await world.until(async () => {
        const now = await slicesOf('gone');
        return now.length === 1 && now[0]?.metadata.uid !== slice?.metadata.uid;
      }, 'another slice');
      await world.client.delete(world.ctx, services, { namespace, name: 'gone' });
      await world.until(async () => (await slicesOf('gone')).length === 0, 'the slices to be collected');
    });
  });
}
