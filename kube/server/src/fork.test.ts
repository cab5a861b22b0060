import { expect, test } from 'vitest';
import { background, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { forkCluster, type ForkableCluster } from './fork.ts';
import { administrator, callApi, watchApi, type ApiAnswer } from './testing.ts';

const clock = createVirtualClock({ startMs: Date.UTC(2026, 0, 1) });
const ctx: Context = background({ clock });
const random = systemRandom;

type Call = (method: string, url: string, body?: unknown) => Promise<ApiAnswer>;
const callerOf =
  (cluster: ForkableCluster): Call =>
  (method, url, body) =>
    callApi(ctx, inProcessTransport(cluster.handlerAs(administrator)), { method, url, body });

const maps = '/api/v1/namespaces/default/configmaps';
const map = (name: string, colour: string): object => ({ metadata: { name }, data: { colour } });

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.org' },
  spec: {
    group: 'example.org',
    names: { plural: 'widgets', kind: 'Widget', listKind: 'WidgetList', singular: 'widget' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
};

const namesOf = (answer: ApiAnswer): readonly unknown[] =>
  (answer.body as { items: readonly KubeObject[] }).items.map(({ metadata }) => metadata.name);

test('a fork has what its base had, and neither sees what the other writes', async () => {
  const origin = await forkCluster(ctx, { random });
  const inOrigin = callerOf(origin);
  await inOrigin('POST', maps, map('shared', 'red'));
  await inOrigin('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgets);
  const base = origin.freeze();
  await inOrigin('POST', maps, map('later', 'red'));
  const fork = await forkCluster(ctx, { random, base });
  const inFork = callerOf(fork);
  expect(namesOf(await inFork('GET', maps))).toEqual(['shared']);
  const made = await inFork('POST', '/apis/example.org/v1/namespaces/default/widgets', {
    apiVersion: 'example.org/v1',
    kind: 'Widget',
    metadata: { name: 'one' },
  });
  expect(made.status).toBe(201);
  await inFork('PUT', `${maps}/shared`, map('shared', 'blue'));
  await inFork('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org');
  expect((await inFork('GET', '/apis/example.org/v1/widgets')).status).toBe(404);
  expect((await inOrigin('GET', '/apis/example.org/v1/widgets')).status).toBe(200);
  expect((await inOrigin('GET', `${maps}/shared`)).body).toMatchObject({ data: { colour: 'red' } });
  const again = await forkCluster(ctx, { random, base });
  expect((await callerOf(again)('GET', '/apis/example.org/v1/widgets')).status).toBe(200);
  await Promise.all([origin, fork, again].map((one) => one.close()));
});

test('forks are clusters of their own, unless they go on for the same one', async () => {
  const origin = await forkCluster(ctx, { random });
  const base = origin.freeze();
  const uidOf = async (cluster: ForkableCluster): Promise<unknown> =>
    ((await callerOf(cluster)('GET', '/api/v1/namespaces/kube-system')).body as KubeObject).metadata.uid;
  const fork = await forkCluster(ctx, { random, base });
  const same = await forkCluster(ctx, { random, base, sameCluster: true, revisionMin: 1000 });
  expect(await uidOf(fork)).not.toBe(await uidOf(origin));
  expect(await uidOf(same)).toBe(await uidOf(origin));
  const old = watchApi(ctx, inProcessTransport(same.handlerAs(administrator)), `${maps}?watch=1&resourceVersion=900`);
  const first = await old.next();
  expect(first.value).toMatchObject({ type: 'ERROR', object: { code: 410 } });
  await old.return(undefined);
});

test('clusters that serve the same kinds give the same documents', async () => {
  const [one, two] = [await forkCluster(ctx, { random }), await forkCluster(ctx, { random })];
  for (const cluster of [one, two])
    await callerOf(cluster)('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgets);
  const [first, second] = await Promise.all(
    [one, two].map((cluster) => callerOf(cluster)('GET', '/openapi/v3/apis/example.org/v1')),
  );
  expect(first?.headers['etag']).toBe(second?.headers['etag']);
  await callerOf(two)('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org');
  expect((await callerOf(one)('GET', '/apis/example.org')).status).toBe(200);
  expect((await callerOf(two)('GET', '/apis/example.org')).status).toBe(404);
});

test('a copy is loaded as it is, in any order, and what does not fit is named', async () => {
  const cluster = await forkCluster(ctx, { random });
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'uid-of-web', controller: true };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-1', namespace: 'shop', uid: 'uid-of-pod', resourceVersion: '77', ownerReferences: [owner] },
    spec: { containers: [{ name: 'c', image: 'i', fieldOfTomorrow: 1 }] },
    status: { phase: 'Running' },
  };
  const objects = [
    { apiVersion: 'example.org/v1', kind: 'Widget', metadata: { name: 'w', namespace: 'shop' }, spec: { size: 3 } },
    { apiVersion: 'example.org/v1', kind: 'Widget', metadata: { name: 'bad', namespace: 'shop' }, spec: { size: 'x' } },
    pod,
    { ...pod, metadata: { ...pod.metadata, name: 'lost', namespace: 'nowhere' } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', uid: 'uid-of-shop' } },
    { apiVersion: 'metrics.k8s.io/v1beta1', kind: 'PodMetrics', metadata: { name: 'web-1', namespace: 'shop' } },
    { apiVersion: 'batch/v1beta1', kind: 'CronJob', metadata: { name: 'old', namespace: 'shop' } },
    widgets,
  ] as unknown as readonly KubeObject[];
  const outcome = await cluster.load(ctx, objects);
  expect(outcome.loaded).toBe(4);
  expect(outcome.refused).toEqual(
    expect.arrayContaining([
      { object: 'v1 Pod nowhere/lost', reason: 'its namespace nowhere is not in the copy' },
      {
        object: 'batch/v1beta1 CronJob shop/old',
        reason: 'version v1beta1 of this kind is not served here, only v1',
      },
      { object: 'example.org/v1 Widget shop/bad', reason: expect.stringContaining('spec.size') as unknown },
    ]),
  );
  expect(outcome.unserved).toEqual([
    { object: 'metrics.k8s.io/v1beta1 PodMetrics shop/web-1', reason: 'nothing of this kind is stored here' },
  ]);
  expect(outcome.refused.length).toBe(3);
  expect(outcome.changed).toEqual([
    { object: 'v1 Pod shop/web-1', reason: 'left out, not known here: spec.containers[0].fieldOfTomorrow' },
  ]);
  const call = callerOf(cluster);
  expect((await call('GET', '/api/v1/namespaces/shop/pods/web-1')).body).toMatchObject({
    metadata: { uid: 'uid-of-pod', ownerReferences: [{ uid: 'uid-of-web' }] },
    status: { phase: 'Running' },
  });
  expect((await call('GET', '/apis/example.org/v1/namespaces/shop/widgets/w')).body).toMatchObject({
    spec: { size: 3 },
  });
  await cluster.close();
});
