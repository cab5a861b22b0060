/** What every API server with our DaemonSet controller must do. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { events, nodes, pods, type Pod } from '@polyanthus/kube-kinds/core';
import { controllerRevisions, daemonSets, type DaemonSet } from '@polyanthus/kube-kinds/workloads';
import { freshNamespace, livePods, podSpec, untilGone, type World, suiteTimeoutMs } from '../testing.ts';

/** A DaemonSet of pods labelled `app: <name>`. */
export function daemonSetOf(
  namespace: string,
  name: string,
  image: string,
  { podMore = {}, ...spec }: Partial<DaemonSet['spec']> & { readonly podMore?: object } = {},
): DaemonSet {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { ...podSpec(image), ...podMore } },
      ...spec,
    },
  };
}

/** Declares the suite; `open` gives the world once. It changes labels and taints of the nodes n1 and n2, and takes them back. */
export function daemonSetSuite(name: string, open: () => Promise<World>): void {
  describe(`daemon sets on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });
    afterEach(async () => {
      for (const node of ['n1', 'n2'])
        await changeNode(node, { metadata: { labels: { disk: null } }, spec: { taints: null } });
    });

    const changeNode = (node: string, body: unknown) =>
      world.client.patch(world.ctx, nodes, { name: node }, { type: 'merge', body });
    const get = (set: string): Promise<DaemonSet> => world.client.get(world.ctx, daemonSets, { namespace, name: set });
    const create = (set: string, image: string, more: Parameters<typeof daemonSetOf>[3] = {}): Promise<DaemonSet> =>
      world.client.create(world.ctx, daemonSets, daemonSetOf(namespace, set, image, more));
    const change = (set: string, body: unknown): Promise<DaemonSet> =>
      world.client.patch(world.ctx, daemonSets, { namespace, name: set }, { type: 'merge', body });
    const withImage = (image: string): object => ({ template: { spec: { containers: [{ name: 'c', image }] } } });
    const where = async (set: string): Promise<readonly string[]> =>
      (await livePods(world, namespace, set)).map((pod) => pod.spec.nodeName ?? '').sort((a, b) => (a < b ? -1 : 1));
    const ready = (set: string, count: number): Promise<void> =>
      world.until(async () => {
        const { metadata, status } = await get(set);
        return (
          status?.observedGeneration === metadata.generation &&
          status?.desiredNumberScheduled === count &&
          (status.updatedNumberScheduled ?? 0) === count &&
          (status.numberAvailable ?? 0) === count
        );
      }, `${count} available pods of ${set}`);
    const revisionsOf = async (set: string): Promise<readonly number[]> =>
      (await world.client.list(world.ctx, controllerRevisions, { namespace, labelSelector: `app=${set}` })).items
        .map(({ revision }) => revision)
        .sort((a, b) => a - b);

    it('runs one pod on every node, bound there by affinity, and tolerates troubles of nodes', async () => {
      await create('all', 'v1');
      await ready('all', 2);
      expect(await where('all')).toEqual(['n1', 'n2']);
      const { status } = await get('all');
      expect(status).toMatchObject({ currentNumberScheduled: 2, numberReady: 2, numberMisscheduled: 0 });
      expect(status).not.toHaveProperty('numberUnavailable');
      const [pod] = await livePods(world, namespace, 'all');
      expect(pod?.spec.tolerations).toEqual(
        expect.arrayContaining([
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
          { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
        ]),
      );
      expect(pod?.metadata.labels?.['controller-revision-hash']).toMatch(/^[b-z2-9]+$/);
      expect(await revisionsOf('all')).toEqual([1]);
    });

    it('follows labels of nodes', async () => {
      await create('picky', 'v1', { podMore: { nodeSelector: { disk: 'ssd' } } });
      await ready('picky', 0);
      await changeNode('n2', { metadata: { labels: { disk: 'ssd' } } });
      await ready('picky', 1);
      expect(await where('picky')).toEqual(['n2']);
      await changeNode('n2', { metadata: { labels: { disk: null } } });
      await world.until(async () => (await where('picky')).length === 0, 'the pod to go');
      await ready('picky', 0);
    });

    it('starts no pod on a tainted node, and leaves the one that runs there', async () => {
      await create('calm', 'v1');
      await ready('calm', 2);
      await changeNode('n1', { spec: { taints: [{ key: 'own', effect: 'NoSchedule' }] } });
      // kube-controller-manager counts anew only when a pod has to come or go, or the set changes.
      await change('calm', { metadata: { annotations: { touched: 'yes' } } });
      await ready('calm', 1);
      expect((await get('calm')).status?.numberMisscheduled).toBe(1);
      expect(await where('calm')).toEqual(['n1', 'n2']);
      await create('late', 'v1');
      await ready('late', 1);
      expect(await where('late')).toEqual(['n2']);
    });

    it('rolls out node by node, and back to an earlier revision', async () => {
      await create('roll', 'v1');
      await ready('roll', 2);
      await change('roll', { spec: withImage('v2') });
      let least = 2;
      let most = 0;
      await world.until(async () => {
        const live = await livePods(world, namespace, 'roll');
        least = Math.min(least, live.filter(isReady).length);
        most = Math.max(most, live.length);
        return live.length === 2 && live.every((pod) => isReady(pod) && pod.spec.containers[0]?.image === 'v2');
      }, 'two new pods');
      expect(least).toBe(1);
      expect(most).toBe(2);
      await ready('roll', 2);
      expect(await revisionsOf('roll')).toEqual([1, 2]);
      await change('roll', { spec: withImage('v1') });
      await ready('roll', 2);
      expect(await revisionsOf('roll')).toEqual([2, 3]);
    });

    it('rolls out with surge: a node keeps its old pod until the new one serves', async () => {
      const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } as const;
      await create('surge', 'v1', { updateStrategy, minReadySeconds: 1 });
      await ready('surge', 2);
      await change('surge', { spec: withImage('v2') });
      let least = 2;
      let most = 0;
      await world.until(async () => {
        const live = await livePods(world, namespace, 'surge');
        least = Math.min(least, live.filter(isReady).length);
        most = Math.max(most, live.length);
        return live.length === 2 && live.every((pod) => isReady(pod) && pod.spec.containers[0]?.image === 'v2');
      }, 'two new pods');
      expect(least).toBe(2);
      expect(most).toBe(3);
      await ready('surge', 2);
    });

    it('stops an update whose pods never serve, and recovers', async () => {
      await create('stuck', 'v1');
      await ready('stuck', 2);
      await change('stuck', { spec: withImage('never-ready') });
      await world.until(async () => ((await get('stuck')).status?.updatedNumberScheduled ?? 0) === 1, 'one new pod');
      await world.pass(2000);
      expect((await get('stuck')).status).toMatchObject({ numberReady: 1, updatedNumberScheduled: 1 });
      await change('stuck', { spec: withImage('v3') });
      await ready('stuck', 2);
    });

    it('replaces nothing by itself with OnDelete', async () => {
      await create('hand', 'v1', { updateStrategy: { type: 'OnDelete' } });
      await ready('hand', 2);
      const generation = (await change('hand', { spec: withImage('v2') })).metadata.generation;
      await world.until(
        async () => (await get('hand')).status?.observedGeneration === generation,
        'the new generation',
      );
      const [victim] = await livePods(world, namespace, 'hand');
      await world.client.delete(world.ctx, pods, { namespace, name: victim?.metadata.name ?? '' });
      await world.until(async () => ((await get('hand')).status?.updatedNumberScheduled ?? 0) === 1, 'one new pod');
      const images = (await livePods(world, namespace, 'hand')).map((pod) => pod.spec.containers[0]?.image);
      expect(new Set(images)).toEqual(new Set(['v1', 'v2']));
    });

    it('replaces a pod that failed, and says so', async () => {
      await create('frail', 'v1', { podMore: { nodeSelector: { disk: 'frail' } } });
      await changeNode('n1', { metadata: { labels: { disk: 'frail' } } });
      await ready('frail', 1);
      const [pod] = await livePods(world, namespace, 'frail');
      const key = { namespace, name: pod?.metadata.name ?? '' };
      const failed = { type: 'merge', body: { status: { phase: 'Failed' } } } as const;
      await world.client.patch(world.ctx, pods, key, failed, { subresource: 'status' });
      await untilGone(world, pods, key);
      await ready('frail', 1);
      await world.until(async () => {
        const list = await world.client.list(world.ctx, events, { namespace });
        return list.items.some(({ reason, message }) => reason === 'FailedDaemonPod' && message?.includes('frail-'));
      }, 'the event of the failed pod');
    });

    it('adopts the pods and revisions that an orphaning left', async () => {
      await create('again', 'v1');
      await ready('again', 2);
      const before = new Set((await livePods(world, namespace, 'again')).map(({ metadata }) => metadata.uid));
      await world.client.delete(world.ctx, daemonSets, { namespace, name: 'again' }, { propagationPolicy: 'Orphan' });
      await untilGone(world, daemonSets, { namespace, name: 'again' });
      await create('again', 'v1');
      await ready('again', 2);
      const after = new Set((await livePods(world, namespace, 'again')).map(({ metadata }) => metadata.uid));
      expect(after).toEqual(before);
      expect(await revisionsOf('again')).toEqual([1]);
    });
  });
}

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
