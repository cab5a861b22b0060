/** What every API server with our garbage collector must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { configMaps, customResourceDefinitions, secrets } from '@polyanthus/kube-kinds/core';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { find, freshNamespace, mapOf, untilGone, type World, suiteTimeoutMs } from '../testing.ts';

const widgets = resourceType<KubeObject & { readonly spec?: object }>('garbage.test', 'v1', 'widgets', 'Widget', true);

/** Declares the suite; `open` gives the world once. */
export function garbageSuite(name: string, open: () => Promise<World>): void {
  describe(`garbage collection on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const create = async (object: KubeObject): Promise<KubeObject> =>
      world.client.create(world.ctx, configMaps, object);
    const ownedBy = (owner: KubeObject, more: Partial<OwnerReference> = {}): OwnerReference => ({
      apiVersion: owner.apiVersion,
      kind: owner.kind,
      name: owner.metadata.name ?? '',
      uid: owner.metadata.uid ?? '',
      ...more,
    });
    const key = (object: string) => ({ namespace, name: object });
    const map = (object: string) => find(world, configMaps, key(object));

    it('background: the owner goes at once, then all below it', async () => {
      const owner = await create(mapOf(namespace, 'b-owner'));
      const child = await create(mapOf(namespace, 'b-child', { ownerReferences: [ownedBy(owner)] }));
      await create(mapOf(namespace, 'b-grandchild', { ownerReferences: [ownedBy(child)] }));
      await world.client.delete(world.ctx, configMaps, key('b-owner'), { propagationPolicy: 'Background' });
      expect(await map('b-owner')).toBeUndefined();
      await untilGone(world, configMaps, key('b-child'));
      await untilGone(world, configMaps, key('b-grandchild'));
    });

    it('foreground: the owner waits for dependents that block it', async () => {
      const owner = await create(mapOf(namespace, 'f-owner'));
      await create(
        mapOf(namespace, 'f-child', {
          ownerReferences: [ownedBy(owner, { blockOwnerDeletion: true })],
          finalizers: ['test.io/hold'],
        }),
      );
      await world.client.delete(world.ctx, configMaps, key('f-owner'), { propagationPolicy: 'Foreground' });
      await world.until(
        async () => (await map('f-child'))?.metadata.deletionTimestamp !== undefined,
        'the child to be deleted',
      );
      expect((await map('f-owner'))?.metadata.finalizers).toContain('foregroundDeletion');
      await world.client.patch(world.ctx, configMaps, key('f-child'), {
        type: 'merge',
        body: { metadata: { finalizers: null } },
      });
      await untilGone(world, configMaps, key('f-owner'));
      expect(await map('f-child')).toBeUndefined();
    });

    it('foreground: does not wait for dependents that do not block', async () => {
      const owner = await create(mapOf(namespace, 'n-owner'));
      await create(mapOf(namespace, 'n-child', { ownerReferences: [ownedBy(owner)], finalizers: ['test.io/hold'] }));
      await world.client.delete(world.ctx, configMaps, key('n-owner'), { propagationPolicy: 'Foreground' });
      await untilGone(world, configMaps, key('n-owner'));
      await world.until(
        async () => (await map('n-child'))?.metadata.deletionTimestamp !== undefined,
        'the child to be deleted',
      );
      await world.client.patch(world.ctx, configMaps, key('n-child'), {
        type: 'merge',
        body: { metadata: { finalizers: null } },
      });
      await untilGone(world, configMaps, key('n-child'));
    });

    it('orphan: dependents stay and lose the reference', async () => {
      const owner = await create(mapOf(namespace, 'o-owner'));
      await create(mapOf(namespace, 'o-child', { ownerReferences: [ownedBy(owner)] }));
      // The collector must have seen the child, else it cannot know of it.
      await world.pass(1000);
      await world.client.delete(world.ctx, configMaps, key('o-owner'), { propagationPolicy: 'Orphan' });
      await untilGone(world, configMaps, key('o-owner'));
      const child = await map('o-child');
      expect(child?.metadata.deletionTimestamp).toBeUndefined();
      expect(child?.metadata.ownerReferences ?? []).toEqual([]);
    });

    it('an owner that never existed: the dependent goes', async () => {
      await create(
        mapOf(namespace, 'absent', {
          ownerReferences: [
            { apiVersion: 'v1', kind: 'ConfigMap', name: 'nobody', uid: '00000000-0000-4000-8000-000000000000' },
          ],
        }),
      );
      await untilGone(world, configMaps, key('absent'));
    });

    it('a successor of the same name is not the owner', async () => {
      const owner = await create(mapOf(namespace, 's-owner'));
      await create(
        mapOf(namespace, 's-child', {
          ownerReferences: [ownedBy(owner, { uid: '00000000-0000-4000-8000-000000000001' })],
        }),
      );
      await untilGone(world, configMaps, key('s-child'));
      expect(await map('s-owner')).toBeDefined();
    });

    it('two owners: the dependent stays while one lives, and loses the other reference', async () => {
      const [one, two] = [await create(mapOf(namespace, 't-one')), await create(mapOf(namespace, 't-two'))];
      await create(mapOf(namespace, 't-child', { ownerReferences: [ownedBy(one), ownedBy(two)] }));
      await world.client.delete(world.ctx, configMaps, key('t-one'));
      await world.until(async () => (await map('t-child'))?.metadata.ownerReferences?.length === 1, 'one reference');
      expect((await map('t-child'))?.metadata.ownerReferences?.[0]?.name).toBe('t-two');
      await world.client.delete(world.ctx, configMaps, key('t-two'));
      await untilGone(world, configMaps, key('t-child'));
    });

    it('an owner of a kind that is not served: the dependent stays', async () => {
      await create(
        mapOf(namespace, 'unknown', {
          ownerReferences: [
            { apiVersion: 'nowhere.test/v1', kind: 'Nothing', name: 'x', uid: '00000000-0000-4000-8000-000000000002' },
          ],
        }),
      );
      await world.pass(2000);
      expect(await map('unknown')).toBeDefined();
    });

    it('works for owners of custom kinds, and when their CRD goes', async () => {
      await world.client.create(world.ctx, customResourceDefinitions, widgetDefinition);
      await world.until(async () => {
        const crd = await world.client.get(world.ctx, customResourceDefinitions, { name: 'widgets.garbage.test' });
        return crd.status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True') ?? false;
      }, 'the CRD');
      const make = async (object: string): Promise<KubeObject> => {
        let made: KubeObject | undefined;
        // A CRD is established a moment before it is served.
        await world.until(
          async () =>
            (made = await world.client
              .create(world.ctx, widgets, { apiVersion: 'garbage.test/v1', kind: 'Widget', metadata: key(object) })
              .catch(() => undefined)) !== undefined,
          `widget ${object}`,
        );
        return made as KubeObject;
      };
      const widget = await make('w');
      await create(mapOf(namespace, 'w-child', { ownerReferences: [ownedBy(widget)] }));
      await world.client.create(world.ctx, secrets, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { ...key('w-secret'), ownerReferences: [ownedBy(await make('w2'))] },
      });
      await world.client.delete(world.ctx, widgets, key('w'));
      await untilGone(world, configMaps, key('w-child'));
      expect(await find(world, secrets, key('w-secret'))).toBeDefined();
      await world.client.delete(world.ctx, customResourceDefinitions, { name: 'widgets.garbage.test' });
      await untilGone(world, secrets, key('w-secret'));
    });
  });
}

const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.garbage.test' },
  spec: {
    group: 'garbage.test',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
} as const;
