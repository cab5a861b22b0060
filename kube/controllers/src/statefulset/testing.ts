/** What every API server with our StatefulSet controller must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { events, pods, type Pod } from '@polyanthus/kube-kinds/core';
import {
  controllerRevisions,
  persistentVolumeClaims,
  statefulSets,
  type StatefulSet,
} from '@polyanthus/kube-kinds/workloads';
import { find, freshNamespace, livePods, podSpec, untilGone, type World, suiteTimeoutMs } from '../testing.ts';

/** A StatefulSet of pods labelled `app: <name>`. */
export function statefulSetOf(
  namespace: string,
  name: string,
  image: string,
  spec: Partial<StatefulSet['spec']> = {},
): StatefulSet {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { namespace, name },
    spec: {
      replicas: 3,
      serviceName: name,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image) },
      ...spec,
    },
  };
}

const dataClaim = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};

/** Declares the suite; `open` gives the world once. */
export function statefulSetSuite(name: string, open: () => Promise<World>): void {
  describe(`stateful sets on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const get = (set: string): Promise<StatefulSet> =>
      world.client.get(world.ctx, statefulSets, { namespace, name: set });
    const create = (set: string, image: string, spec: Partial<StatefulSet['spec']> = {}): Promise<StatefulSet> =>
      world.client.create(world.ctx, statefulSets, statefulSetOf(namespace, set, image, spec));
    const change = (set: string, body: unknown): Promise<StatefulSet> =>
      world.client.patch(world.ctx, statefulSets, { namespace, name: set }, { type: 'merge', body });
    const withImage = (image: string): object => ({ template: { spec: { containers: [{ name: 'c', image }] } } });
    const images = async (set: string): Promise<Readonly<Record<string, string>>> =>
      Object.fromEntries(
        (await livePods(world, namespace, set))
          .map((pod) => [pod.metadata.name ?? '', pod.spec.containers[0]?.image ?? ''] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    const observed = ({ metadata, status }: StatefulSet): boolean => status?.observedGeneration === metadata.generation;
    const ready = (set: string, count: number): Promise<void> =>
      world.until(async () => {
        const object = await get(set);
        const { status } = object;
        return observed(object) && status?.replicas === count && (status.availableReplicas ?? 0) === count;
      }, `${count} available pods of ${set}`);
    const updated = (set: string): Promise<void> =>
      world.until(async () => {
        const object = await get(set);
        const { spec, status } = object;
        return (
          observed(object) &&
          status?.currentRevision === status?.updateRevision &&
          (status?.availableReplicas ?? 0) === (spec.replicas ?? 1)
        );
      }, `the rollout of ${set}`);
    const revisionsOf = async (set: string) =>
      (await world.client.list(world.ctx, controllerRevisions, { namespace, labelSelector: `app=${set}` })).items;

    const revisionNumbers = async (set: string): Promise<readonly number[]> =>
      (await revisionsOf(set)).map(({ revision }) => revision).sort((a, b) => a - b);
    const uidsOf = async (set: string) =>
      new Set((await livePods(world, namespace, set)).map(({ metadata }) => metadata.uid));

    /** Waits until a ready pod of this name is another one. */
    const another = (pod: string, uid: string | undefined): Promise<void> =>
      world.until(async () => {
        const now = await find(world, pods, { namespace, name: pod });
        return now !== undefined && isReady(now) && now.metadata.uid !== uid;
      }, `another ${pod}`);

    it('brings pods up in order, each once the one before it is ready', async () => {
      await create('up', 'v1');
      let most = 0;
      await world.until(async () => {
        const live = await livePods(world, namespace, 'up');
        const waiting = live.filter((pod) => !isReady(pod));
        most = Math.max(most, waiting.length);
        return live.length === 3 && waiting.length === 0;
      }, 'three ready pods');
      expect(most).toBe(1);
      expect(Object.keys(await images('up'))).toEqual(['up-0', 'up-1', 'up-2']);
      await updated('up');
      const { status } = await get('up');
      expect(status).toMatchObject({ replicas: 3, readyReplicas: 3, currentReplicas: 3, updatedReplicas: 3 });
      const pod = await world.client.get(world.ctx, pods, { namespace, name: 'up-1' });
      expect(pod.metadata.labels).toMatchObject({
        'statefulset.kubernetes.io/pod-name': 'up-1',
        'apps.kubernetes.io/pod-index': '1',
        'controller-revision-hash': status?.updateRevision,
      });
      expect(pod.spec).toMatchObject({ hostname: 'up-1', subdomain: 'up' });
      expect((await get('up')).spec.updateStrategy).toMatchObject({
        type: 'RollingUpdate',
        rollingUpdate: { partition: 0 },
      });
    });

    it('scales down from the highest, one at a time, and up again', async () => {
      await create('size', 'v1', { replicas: 3 });
      await ready('size', 3);
      await ready('size', 3);
      await change('size', { spec: { replicas: 1 } });
      let most = 0;
      await world.until(async () => {
        const all = await world.client.list(world.ctx, pods, { namespace, labelSelector: 'app=size' });
        const going = all.items.filter((pod) => pod.metadata.deletionTimestamp !== undefined);
        most = Math.max(most, going.length);
        return all.items.length === 1;
      }, 'one pod');
      expect(most).toBeLessThanOrEqual(1);
      expect(Object.keys(await images('size'))).toEqual(['size-0']);
      await change('size', { spec: { replicas: 2 } });
      await ready('size', 2);
      expect(Object.keys(await images('size'))).toEqual(['size-0', 'size-1']);
      await change('size', { spec: { replicas: 0 } });
      await ready('size', 0);
    });

    it('rolls an update out from the highest ordinal, one pod away at a time', async () => {
      await create('roll', 'v1');
      await updated('roll');
      const before = (await get('roll')).status?.currentRevision;
      await change('roll', { spec: withImage('v2') });
      let least = 3;
      const order: string[] = [];
      await world.until(async () => {
        const live = await livePods(world, namespace, 'roll');
        least = Math.min(least, live.filter(isReady).length);
        for (const pod of live)
          if (pod.spec.containers[0]?.image === 'v2' && !order.includes(pod.metadata.name ?? ''))
            order.push(pod.metadata.name ?? '');
        return order.length === 3 && live.every(isReady);
      }, 'three new pods');
      expect(least).toBe(2);
      expect(order).toEqual(['roll-2', 'roll-1', 'roll-0']);
      await updated('roll');
      expect((await get('roll')).status?.currentRevision).not.toBe(before);
      expect(await revisionNumbers('roll')).toEqual([1, 2]);
      // A way back makes the earlier revision the newest.
      await change('roll', { spec: withImage('v1') });
      await updated('roll');
      expect((await get('roll')).status?.currentRevision).toBe(before);
      expect(await revisionNumbers('roll')).toEqual([2, 3]);
    });

    it('keeps the places below the partition at their revision, whatever happens to them', async () => {
      const strategy = (partition: number): object => ({ type: 'RollingUpdate', rollingUpdate: { partition } });
      await create('part', 'v1', { updateStrategy: strategy(2) });
      await updated('part');
      await change('part', { spec: withImage('v2') });
      await world.until(async () => (await images('part'))['part-2'] === 'v2', 'the canary');
      await ready('part', 3);
      const { uid } = (await world.client.get(world.ctx, pods, { namespace, name: 'part-0' })).metadata;
      await world.client.delete(world.ctx, pods, { namespace, name: 'part-0' });
      await another('part-0', uid);
      await ready('part', 3);
      expect(await images('part')).toEqual({ 'part-0': 'v1', 'part-1': 'v1', 'part-2': 'v2' });
      expect((await get('part')).status).toMatchObject({ currentReplicas: 2, updatedReplicas: 1 });
      await change('part', { spec: { updateStrategy: strategy(0) } });
      await updated('part');
      expect(await images('part')).toEqual({ 'part-0': 'v2', 'part-1': 'v2', 'part-2': 'v2' });
    });

    it('replaces nothing by itself with OnDelete', async () => {
      await create('hand', 'v1', { replicas: 2, updateStrategy: { type: 'OnDelete' } });
      await updated('hand');
      await change('hand', { spec: withImage('v2') });
      await world.until(async () => observed(await get('hand')), 'the new generation');
      await world.client.delete(world.ctx, pods, { namespace, name: 'hand-0' });
      await world.until(async () => (await images('hand'))['hand-0'] === 'v2', 'the pod that was deleted');
      await ready('hand', 2);
      expect(await images('hand')).toEqual({ 'hand-0': 'v2', 'hand-1': 'v1' });
    });

    it('brings up and takes down at once when Parallel, and updates within maxUnavailable', async () => {
      await create('burst', 'never-ready', {
        podManagementPolicy: 'Parallel',
        replicas: 4,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2, partition: 0 } },
      });
      await world.until(async () => (await livePods(world, namespace, 'burst')).length === 4, 'four pods at once');
      // What serves nobody is replaced at once.
      await change('burst', { spec: withImage('v2') });
      await updated('burst');
      await change('burst', { spec: withImage('v3') });
      let least = 4;
      await world.until(async () => {
        const live = (await livePods(world, namespace, 'burst')).filter(isReady);
        least = Math.min(least, live.length);
        return live.length === 4 && live.every((pod) => pod.spec.containers[0]?.image === 'v3');
      }, 'four new pods');
      expect(least).toBe(2);
      await change('burst', { spec: { replicas: 0 } });
      await world.until(async () => (await livePods(world, namespace, 'burst')).length === 0, 'all to go');
    });

    it('waits for minReadySeconds before it goes on', async () => {
      await create('slow', 'v1', { replicas: 2, minReadySeconds: 5 });
      await world.until(async () => ((await get('slow')).status?.readyReplicas ?? 0) === 1, 'the first to be ready');
      expect((await get('slow')).status?.availableReplicas).toBe(0);
      expect(await livePods(world, namespace, 'slow')).toHaveLength(1);
      await ready('slow', 2);
    });

    it('keeps the claims of a place, and the place waits for none that is deleted', async () => {
      await create('store', 'v1', { replicas: 2, volumeClaimTemplates: [dataClaim] });
      await ready('store', 2);
      const claim = await world.client.get(world.ctx, persistentVolumeClaims, { namespace, name: 'data-store-1' });
      expect(claim.metadata.labels).toEqual({ app: 'store' });
      const pod = await world.client.get(world.ctx, pods, { namespace, name: 'store-1' });
      expect(pod.spec['volumes']).toContainEqual({
        name: 'data',
        persistentVolumeClaim: { claimName: 'data-store-1' },
      });
      await change('store', { spec: { replicas: 0 } });
      await ready('store', 0);
      const kept = await world.client.get(world.ctx, persistentVolumeClaims, { namespace, name: 'data-store-1' });
      expect(kept.metadata.uid).toBe(claim.metadata.uid);
    });

    it('lets the claims go with their pods when the policy says so', async () => {
      await create('lean', 'v1', {
        replicas: 2,
        volumeClaimTemplates: [dataClaim],
        persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Delete' },
      });
      await ready('lean', 2);
      await change('lean', { spec: { replicas: 1 } });
      await untilGone(world, persistentVolumeClaims, { namespace, name: 'data-lean-1' });
      expect(await find(world, persistentVolumeClaims, { namespace, name: 'data-lean-0' })).toBeDefined();
      await change('lean', { spec: { replicas: 2 } });
      await ready('lean', 2);
      await world.client.delete(world.ctx, statefulSets, { namespace, name: 'lean' });
      await untilGone(world, persistentVolumeClaims, { namespace, name: 'data-lean-0' });
      await untilGone(world, persistentVolumeClaims, { namespace, name: 'data-lean-1' });
      await untilGone(world, pods, { namespace, name: 'lean-0' });
    });

    it('replaces pods that ended, adopts what an orphaning left, and says what it does', async () => {
      await create('heal', 'v1', { replicas: 2 });
      await updated('heal');
      const { uid } = (await world.client.get(world.ctx, pods, { namespace, name: 'heal-1' })).metadata;
      await world.client.patch(
        world.ctx,
        pods,
        { namespace, name: 'heal-1' },
        { type: 'merge', body: { status: { phase: 'Failed', reason: 'Evicted' } } },
        { subresource: 'status' },
      );
      await another('heal-1', uid);
      await ready('heal', 2);
      const uids = await uidsOf('heal');
      await world.client.delete(world.ctx, statefulSets, { namespace, name: 'heal' }, { propagationPolicy: 'Orphan' });
      await untilGone(world, statefulSets, { namespace, name: 'heal' });
      await create('heal', 'v1', { replicas: 2 });
      await updated('heal');
      expect(await uidsOf('heal')).toEqual(uids);
      expect(await revisionsOf('heal')).toHaveLength(1);
      await world.until(async () => {
        const list = await world.client.list(world.ctx, events, { namespace });
        return list.items.some(
          ({ reason, message }) =>
            reason === 'SuccessfulCreate' && message === 'Create Pod heal-0 in StatefulSet heal successful',
        );
      }, 'the event of the creation');
    });
  });
}

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
