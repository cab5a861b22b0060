import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  customResourceDefinitions,
  deployments,
  events,
  pods,
  type Deployment,
  type Pod,
} from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { resourceType } from '@polyanthus/kube-objects/resource';
import {
  budgetStatus,
  createBudget,
  createPod,
  evict,
  namespace,
  replicaSetOwner,
  setReady,
  startDisruptionWorld,
  type DisruptionWorld,
} from './testing.ts';

let world: DisruptionWorld;
beforeEach(async () => {
  world = await startDisruptionWorld();
});
afterEach(() => world.close());

const settled = (condition: () => Promise<boolean>, what: string): Promise<void> => world.clock.until(condition, what);
const counts = (wanted: object): Promise<void> =>
  settled(async () => {
    const status = await budgetStatus(world);
    return Object.entries(wanted).every(([key, value]) => status[key as keyof typeof status] === value);
  }, JSON.stringify(wanted));

describe('the disruption controller', () => {
  it.for<[NonNullable<PodDisruptionBudget['spec']>, object]>([
    [{ minAvailable: 2 }, { expectedPods: 3, desiredHealthy: 2, currentHealthy: 2, disruptionsAllowed: 0 }],
    [{ minAvailable: 1 }, { expectedPods: 3, desiredHealthy: 1, currentHealthy: 2, disruptionsAllowed: 1 }],
    [{ minAvailable: '50%' }, { expectedPods: 5, desiredHealthy: 3, currentHealthy: 2, disruptionsAllowed: 0 }],
    [{ maxUnavailable: 4 }, { expectedPods: 5, desiredHealthy: 1, currentHealthy: 2, disruptionsAllowed: 1 }],
    [{ maxUnavailable: '50%' }, { expectedPods: 5, desiredHealthy: 2, currentHealthy: 2, disruptionsAllowed: 0 }],
    [{ maxUnavailable: 9 }, { expectedPods: 5, desiredHealthy: 0, currentHealthy: 2, disruptionsAllowed: 2 }],
    [{}, { expectedPods: 0, desiredHealthy: 0, currentHealthy: 2, disruptionsAllowed: 0 }],
  ])('counts %j of three pods, two ready, of a set of five', async ([spec, wanted]) => {
    const owner = await replicaSetOwner(world, 'rs', 5);
    await Promise.all(['x', 'y', 'z'].map((name) => createPod(world, name, owner, { ready: name !== 'z' })));
    await createBudget(world, spec);
    await counts({ ...wanted, observedGeneration: 1 });
  });

  it('counts again when the budget or a pod changes', async () => {
    const owner = await replicaSetOwner(world, 'rs', 2);
    await Promise.all(['x', 'y'].map((name) => createPod(world, name, owner)));
    await createBudget(world, { minAvailable: 1 });
    await counts({ disruptionsAllowed: 1 });
    expect((await budgetStatus(world)).conditions).toMatchObject([
      { type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', observedGeneration: 1, message: '' },
    ]);
    await setReady(world, 'x', false);
    await counts({ disruptionsAllowed: 0, currentHealthy: 1 });
    const key = { namespace, name: 'b' };
    const body = { spec: { minAvailable: 0 } };
    await world.client.patch(world.ctx, podDisruptionBudgets, key, { type: 'merge', body });
    await counts({ disruptionsAllowed: 1, observedGeneration: 2 });
  });

  it('wants the pods of a Deployment once, however many sets it rolls over', async () => {
    const deployment: Deployment = await world.client.create(world.ctx, deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', namespace },
      spec: {
        replicas: 4,
        selector: { matchLabels: { app: 'a' } },
        template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    const uid = deployment.metadata.uid ?? '';
    const above = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid, controller: true };
    await createPod(world, 'x', await replicaSetOwner(world, 'old', 4, above));
    await createPod(world, 'y', await replicaSetOwner(world, 'new', 4, above));
    await createBudget(world, { maxUnavailable: 3 });
    await counts({ expectedPods: 4, desiredHealthy: 1, disruptionsAllowed: 1 });
  });

  it('asks custom owners for their scale', async () => {
    const type = resourceType('example.com', 'v1', 'fleets', 'Fleet', true);
    await world.client.create(world.ctx, customResourceDefinitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'fleets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'fleets', kind: 'Fleet' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
            subresources: { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
          },
        ],
      },
    });
    const object = {
      apiVersion: 'example.com/v1',
      kind: 'Fleet',
      metadata: { name: 'f', namespace },
      spec: { size: 6 },
    };
    const { metadata } = await world.client.create(world.ctx, type, object);
    const uid = metadata.uid ?? '';
    await createPod(world, 'x', { apiVersion: 'example.com/v1', kind: 'Fleet', name: 'f', uid, controller: true });
    await createBudget(world, { maxUnavailable: '50%' });
    await counts({ expectedPods: 6, desiredHealthy: 3 });
  });

  it.for([
    [{ apiVersion: 'apps/v1', kind: 'DaemonSet' }, 'daemonsets.apps does not implement the scale subresource'],
    [{ apiVersion: 'v1', kind: 'Node' }, 'nodes does not implement the scale subresource'],
    [{ apiVersion: 'apps/v1', kind: 'ReplicaSet' }, 'found no controllers for pod "x"'],
    [{ apiVersion: 'no.such/v1', kind: 'Thing' }, 'no matches for kind "Thing" in version "no.such/v1"'],
  ] as const)('allows nothing when an owner %j cannot be counted, and says why', async ([owner, message]) => {
    await createPod(world, 'x', { ...owner, name: 'o', uid: 'u', controller: true });
    await createBudget(world, { maxUnavailable: 1 });
    await settled(async () => (await budgetStatus(world)).conditions !== undefined, 'a condition');
    expect(await budgetStatus(world)).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message }],
    });
    expect(await evict(world, 'x')).toBe(429);
  });

  it('says when nobody knows how many pods there should be', async () => {
    await createPod(world, 'x', undefined);
    await createBudget(world, { maxUnavailable: 1 });
    await counts({ expectedPods: 0, disruptionsAllowed: 0, observedGeneration: 1 });
    const told = async (): Promise<readonly string[]> =>
      (await world.client.list(world.ctx, events, { namespace })).items.map((one) => one.message ?? '');
    await settled(async () => (await told()).length > 0, 'an event');
    expect((await told()).join()).toContain(
      '(selector: &LabelSelector{MatchLabels:map[string]string{app: a,},MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged',
    );
  });

  it('forgets a granted eviction when the pod goes, or two minutes later when it does not', async () => {
    const owner = await replicaSetOwner(world, 'rs', 3);
    await Promise.all(['x', 'y', 'z'].map((name) => createPod(world, name, owner, { graceSeconds: 30 })));
    await createBudget(world, { minAvailable: 1 });
    await counts({ disruptionsAllowed: 2 });
    expect(await evict(world, 'x')).toBe(201);
    await counts({ currentHealthy: 2, disruptionsAllowed: 1 });
    expect((await budgetStatus(world)).disruptedPods).toBeUndefined();
    // A server that granted it and died before the deletion.
    const body = { status: { disruptedPods: { y: '2026-01-01T00:00:00Z' }, disruptionsAllowed: 0 } };
    const key = { namespace, name: 'b' };
    const at = { subresource: 'status' };
    await world.client.patch(world.ctx, podDisruptionBudgets, key, { type: 'merge', body }, at);
    await counts({ currentHealthy: 1, disruptionsAllowed: 0 });
    await world.clock.advance(119_000);
    await counts({ currentHealthy: 1 });
    await world.clock.advance(2000);
    await counts({ currentHealthy: 2, disruptionsAllowed: 1 });
  });

  it('takes the condition of a disruption back that did not come', async () => {
    await createPod(world, 'x', undefined);
    const read = (): Promise<Pod> => world.client.get(world.ctx, pods, { namespace, name: 'x' });
    const target = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'm' };
    const conditions = [{ ...target, lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const patch = { type: 'strategic', body: { status: { conditions } } } as const;
    await world.client.patch(world.ctx, pods, { namespace, name: 'x' }, patch, { subresource: 'status' });
    const state = async (): Promise<string | undefined> =>
      (await read()).status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.status;
    await world.clock.advance(119_000);
    expect(await state()).toBe('True');
    await world.clock.advance(2000);
    expect(await state()).toBe('False');
  });
});
