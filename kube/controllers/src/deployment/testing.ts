/** What every API server with our Deployment and ReplicaSet controllers must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { deployments, pods, replicaSets, type Deployment } from '@polyanthus/kube-kinds/core';
import { deploymentOf, find, freshNamespace, livePods, podsByImage, type World, suiteTimeoutMs } from '../testing.ts';
import { revisionAnnotation } from './revision.ts';

/** Declares the suite; `open` gives the world once. */
export function deploymentSuite(name: string, open: () => Promise<World>): void {
  describe(`deployments on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const get = async (deployment: string): Promise<Deployment> =>
      world.client.get(world.ctx, deployments, { namespace, name: deployment });
    const change = (deployment: string, body: unknown): Promise<Deployment> =>
      world.client.patch(world.ctx, deployments, { namespace, name: deployment }, { type: 'merge', body });
    const create = (deployment: string, image: string, spec: Partial<Deployment['spec']> = {}): Promise<Deployment> =>
      world.client.create(world.ctx, deployments, deploymentOf(namespace, deployment, image, spec));
    const withImage = (image: string): unknown => ({
      spec: { template: { spec: { containers: [{ name: 'c', image }] } } },
    });
    const condition = (deployment: Deployment, type: string) =>
      deployment.status?.conditions?.find((each) => each.type === type);
    const isComplete = async (deployment: string): Promise<boolean> => {
      const { metadata, spec, status } = await get(deployment);
      const wanted = spec.replicas ?? 1;
      return (
        status?.observedGeneration === metadata.generation &&
        (status?.updatedReplicas ?? 0) === wanted &&
        (status?.replicas ?? 0) === wanted &&
        (status?.availableReplicas ?? 0) === wanted
      );
    };
    const complete = (deployment: string): Promise<void> =>
      world.until(() => isComplete(deployment), `${deployment} to be complete`);
    const revision = async (deployment: string): Promise<string | undefined> =>
      (await get(deployment)).metadata.annotations?.[revisionAnnotation];

    it('brings up pods and reports them', async () => {
      await create('up', 'v1');
      await complete('up');
      await world.until(async () => (await revision('up')) === '1', 'revision 1');
      const { status } = await get('up');
      expect(status).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 3 });
      expect(status).not.toHaveProperty('unavailableReplicas');
      await world.until(
        async () => condition(await get('up'), 'Progressing')?.reason === 'NewReplicaSetAvailable',
        'NewReplicaSetAvailable',
      );
      expect(condition(await get('up'), 'Available')).toMatchObject({
        status: 'True',
        reason: 'MinimumReplicasAvailable',
      });
    });

    it('rolls out within surge and unavailability, and back to an earlier revision', async () => {
      await create('roll', 'v1', {
        replicas: 4,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      });
      await complete('roll');
      await change('roll', withImage('v2'));
      let least = 4;
      let most = 0;
      await world.until(async () => {
        const live = await livePods(world, namespace, 'roll');
        const ready = live.filter((pod) =>
          pod.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
        );
        least = Math.min(least, ready.length);
        most = Math.max(most, live.length);
        return isComplete('roll');
      }, 'the rollout of v2');
      expect(least).toBe(4);
      expect(most).toBe(5);
      expect(await podsByImage(world, namespace, 'roll')).toEqual({ v2: 4 });
      await world.until(async () => (await revision('roll')) === '2', 'revision 2');
      await change('roll', withImage('v1'));
      await complete('roll');
      await world.until(async () => (await revision('roll')) === '3', 'revision 3 after the way back');
      const sets = await world.client.list(world.ctx, replicaSets, { namespace, labelSelector: 'app=roll' });
      expect(sets.items.map((set) => set.metadata.annotations?.[revisionAnnotation])).toEqual(
        expect.arrayContaining(['2', '3']),
      );
    });

    it('restarts all pods on an annotation of the template', async () => {
      await create('again', 'v1', { replicas: 2 });
      await complete('again');
      const before = new Set((await livePods(world, namespace, 'again')).map((pod) => pod.metadata.uid));
      await change('again', {
        spec: {
          template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' } } },
        },
      });
      await complete('again');
      const after = (await livePods(world, namespace, 'again')).map((pod) => pod.metadata.uid);
      expect(after).toHaveLength(2);
      expect(after.some((uid) => before.has(uid))).toBe(false);
    });

    it('scales up, down and to nothing', async () => {
      await create('size', 'v1', { replicas: 1 });
      await complete('size');
      for (const replicas of [4, 2, 0]) {
        await change('size', { spec: { replicas } });
        await complete('size');
        await world.until(
          async () => (await livePods(world, namespace, 'size')).length === replicas,
          `${replicas} pods`,
        );
      }
    });

    it('recreates: no new pod before the last old one has gone', async () => {
      await create('fresh', 'v1', { replicas: 2, strategy: { type: 'Recreate' } });
      await complete('fresh');
      await change('fresh', withImage('v2'));
      let mixed = false;
      await world.until(async () => {
        const list = await world.client.list(world.ctx, pods, { namespace, labelSelector: 'app=fresh' });
        mixed ||= new Set(list.items.map((pod) => pod.spec.containers[0]?.image)).size > 1;
        return isComplete('fresh');
      }, 'the recreation');
      expect(mixed).toBe(false);
      expect(await podsByImage(world, namespace, 'fresh')).toEqual({ v2: 2 });
    });

    it('reports a rollout that is stuck, keeps the old pods, and recovers', async () => {
      await create('stuck', 'v1', {
        replicas: 2,
        progressDeadlineSeconds: 3,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      });
      await complete('stuck');
      await change('stuck', withImage('never-ready'));
      await world.until(
        async () => condition(await get('stuck'), 'Progressing')?.reason === 'ProgressDeadlineExceeded',
        'the missed deadline',
      );
      expect(await podsByImage(world, namespace, 'stuck')).toEqual({ v1: 2, 'never-ready': 1 });
      expect(condition(await get('stuck'), 'Progressing')?.message).toMatch(
        /^ReplicaSet "stuck-.*" has timed out progressing\.$/,
      );
      await change('stuck', withImage('v3'));
      await complete('stuck');
      await world.until(
        async () => condition(await get('stuck'), 'Progressing')?.reason === 'NewReplicaSetAvailable',
        'progress after the repair',
      );
      expect(await podsByImage(world, namespace, 'stuck')).toEqual({ v3: 2 });
    });

    it('holds still while paused, but scales', async () => {
      await create('pause', 'v1', { replicas: 2 });
      await complete('pause');
      await change('pause', { spec: { paused: true } });
      await world.until(
        async () => condition(await get('pause'), 'Progressing')?.reason === 'DeploymentPaused',
        'DeploymentPaused',
      );
      await change('pause', withImage('v2'));
      await change('pause', { spec: { replicas: 3 } });
      await world.until(async () => (await livePods(world, namespace, 'pause')).length === 3, 'three old pods');
      expect(await podsByImage(world, namespace, 'pause')).toEqual({ v1: 3 });
      await change('pause', { spec: { paused: false } });
      await complete('pause');
      expect(await podsByImage(world, namespace, 'pause')).toEqual({ v2: 3 });
    });

    it('keeps revisionHistoryLimit old sets', async () => {
      await create('past', 'v1', { replicas: 1, revisionHistoryLimit: 1 });
      for (const image of ['v1', 'v2', 'v3', 'v4']) {
        await change('past', withImage(image));
        await complete('past');
      }
      await world.until(
        async () =>
          (await world.client.list(world.ctx, replicaSets, { namespace, labelSelector: 'app=past' })).items.length ===
          2,
        'one old set',
      );
    });

    it('replaces a pod that somebody deleted, and adopts one that matches', async () => {
      await create('heal', 'v1', { replicas: 2 });
      await complete('heal');
      const [victim] = await livePods(world, namespace, 'heal');
      await world.client.delete(world.ctx, pods, { namespace, name: victim?.metadata.name ?? '' });
      await world.until(async () => (await livePods(world, namespace, 'heal')).length === 2, 'a replacement');
      await complete('heal');
      const [set] = (await world.client.list(world.ctx, replicaSets, { namespace, labelSelector: 'app=heal' })).items;
      const labels = set?.spec.template?.metadata?.labels ?? {};
      await world.client.create(world.ctx, pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: 'stray', labels },
        spec: { containers: [{ name: 'c', image: 'v1' }] },
      });
      await world.until(async () => (await livePods(world, namespace, 'heal')).length === 2, 'one pod too many to go');
      expect(await find(world, pods, { namespace, name: victim?.metadata.name ?? '' })).toBeUndefined();
    });
  });
}
