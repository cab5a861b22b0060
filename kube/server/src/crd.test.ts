import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiObject } from './api-object.ts';
import { crd } from './conformance-table.ts';
import { callApi, startTestCluster, watchApi, type ApiAnswer, type ApiCall, type TestCluster } from './testing.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});
afterAll(() => cluster.close());

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = '/apis/conformance.example.com/v1';
const call = (method: string, url: string, body?: unknown, more: Partial<ApiCall> = {}): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, { method, url, ...(body === undefined ? {} : { body }), ...more });

interface Conditions {
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

/** Follows the CRD until a condition is there, as kubectl wait does. */
async function untilCondition(name: string, type: string, status: string): Promise<string> {
  for await (const { object } of watchApi(
    cluster.ctx,
    cluster.transport,
    `${crds}?watch=1&fieldSelector=metadata.name%3D${name}`,
  )) {
    const found = (object as unknown as Conditions).status.conditions.find(
      (one) => one.type === type && one.status === status,
    );
    if (found !== undefined) return found.reason;
  }
  throw new Error(`the watch ended before ${name} was ${type}`);
}

test('a kind appears without a restart, is defaulted, pruned and validated, and goes with its objects', async () => {
  expect((await call('GET', `${group}/namespaces/default/widgets`)).status).toBe(404);
  expect((await call('POST', crds, crd('widgets', 'Widget'))).status).toBe(201);
  expect(await untilCondition('widgets.conformance.example.com', 'Established', 'True')).toBe('InitialNamesAccepted');
  const created = await call('POST', `${group}/namespaces/default/widgets`, {
    apiVersion: 'conformance.example.com/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { size: 2, unknown: 1 },
    status: { phase: 'x' },
  });
  expect(created.body).toMatchObject({ spec: { size: 2, color: 'red' }, metadata: { generation: 1 } });
  expect(Object.keys((created.body as { spec: object }).spec)).not.toContain('unknown');
  expect(created.body).not.toHaveProperty('status');
  const bad = await call(
    'PATCH',
    `${group}/namespaces/default/widgets/w`,
    { spec: { size: 0 } },
    { type: 'application/merge-patch+json' },
  );
  expect(bad.body).toMatchObject({ reason: 'Invalid', details: { causes: [{ field: 'spec.size' }] } });
  const wrong = await call(
    'PATCH',
    `${group}/namespaces/default/widgets/w`,
    { spec: { code: 'AB-12' } },
    { type: 'application/merge-patch+json' },
  );
  expect(wrong.body).toMatchObject({ reason: 'Invalid', details: { causes: [{ field: 'spec.code' }] } });
  const selected = await call('GET', `${group}/widgets?fieldSelector=spec.color%3Dred`);
  expect((selected.body as { items: ApiObject[] }).items).toHaveLength(1);

  const gone = (async () => {
    for await (const { type } of watchApi(
      cluster.ctx,
      cluster.transport,
      `${crds}?watch=1&fieldSelector=metadata.name%3Dwidgets.conformance.example.com`,
    ))
      if (type === 'DELETED') return true;
    return false;
  })();
  const instances = watchApi(cluster.ctx, cluster.transport, `${group}/widgets?watch=1`);
  expect((await instances.next()).value).toMatchObject({ type: 'ADDED' });
  await call('DELETE', `${crds}/widgets.conformance.example.com`);
  expect((await instances.next()).value).toMatchObject({ type: 'DELETED' });
  expect(await gone).toBe(true);
  expect((await instances.next()).done).toBe(true);
  expect((await call('GET', `${group}/namespaces/default/widgets`)).status).toBe(404);
  expect(cluster.store.count('test/conformance.example.com/')).toBe(0);
});

test('a second CRD with the same kind is not accepted until the first is gone', async () => {
  await call('POST', crds, crd('firsts', 'Thing'));
  await untilCondition('firsts.conformance.example.com', 'Established', 'True');
  await call('POST', crds, crd('seconds', 'Thing'));
  expect(await untilCondition('seconds.conformance.example.com', 'NamesAccepted', 'False')).toBe('ListKindConflict');
  expect((await call('GET', `${group}/namespaces/default/seconds`)).status).toBe(404);
  await call('DELETE', `${crds}/firsts.conformance.example.com`);
  expect(await untilCondition('seconds.conformance.example.com', 'Established', 'True')).toBe('InitialNamesAccepted');
  expect((await call('GET', `${group}/namespaces/default/seconds`)).status).toBe(200);
});

test('versions convert by their apiVersion alone', async () => {
  const base = crd('gears', 'Gear') as { spec: { versions: object[] } };
  const [v1 = {}] = base.spec.versions;
  const both = { ...base, spec: { ...base.spec, versions: [v1, { ...v1, name: 'v2', storage: false }] } };
  await call('POST', crds, both);
  await untilCondition('gears.conformance.example.com', 'Established', 'True');
  const v2 = '/apis/conformance.example.com/v2/namespaces/default/gears';
  await call('POST', v2, {
    apiVersion: 'conformance.example.com/v2',
    kind: 'Gear',
    metadata: { name: 'g' },
    spec: { size: 1 },
  });
  expect((await call('GET', `${v2}/g`)).body).toMatchObject({ apiVersion: 'conformance.example.com/v2' });
  expect((await call('GET', `${group}/namespaces/default/gears/g`)).body).toMatchObject({
    apiVersion: 'conformance.example.com/v1',
  });
});
