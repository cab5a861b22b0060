/** What an attacker tries who holds some right and wants more. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callApi, startTestCluster, type ApiAnswer, type TestCluster } from './testing.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});
afterAll(() => cluster.close());

const rbac = 'rbac.authorization.k8s.io';
const admin = (method: string, url: string, body?: unknown): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, { method, url, ...(body === undefined ? {} : { body }) });
const as = (username: string, method: string, url: string, body?: unknown, type?: string): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transportAs({ username, groups: ['system:authenticated'] }), {
    method,
    url,
    ...(body === undefined ? {} : { body }),
    ...(type === undefined ? {} : { type }),
  });

/** Gives a user these rules in one namespace, or in the whole cluster. */
async function grant(user: string, rules: readonly object[], namespace?: string): Promise<void> {
  const at = `/apis/${rbac}/v1${namespace === undefined ? '' : `/namespaces/${namespace}`}`;
  const [roles, bindings] =
    namespace === undefined ? ['clusterroles', 'clusterrolebindings'] : ['roles', 'rolebindings'];
  const kind = namespace === undefined ? 'ClusterRole' : 'Role';
  expect((await admin('POST', `${at}/${roles}`, { metadata: { name: user }, rules })).status).toBe(201);
  const subjects = [{ kind: 'User', apiGroup: rbac, name: user }];
  const binding = { metadata: { name: user }, roleRef: { apiGroup: rbac, kind, name: user }, subjects };
  expect((await admin('POST', `${at}/${bindings}`, binding)).status).toBe(201);
}

async function makeNamespace(name: string): Promise<void> {
  expect((await admin('POST', '/api/v1/namespaces', { metadata: { name } })).status).toBe(201);
}

describe('paths', () => {
  test('a right in one namespace reaches no other namespace object', async () => {
    await makeNamespace('own');
    await makeNamespace('foreign');
    await grant('nadia', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], 'own');
    expect((await as('nadia', 'GET', '/api/v1/namespaces/own')).status).toBe(200);
    expect((await as('nadia', 'GET', '/api/v1/namespaces/own/namespaces')).status).toBe(404);
    expect((await as('nadia', 'DELETE', '/api/v1/namespaces/own/namespaces/foreign')).status).toBe(404);
    expect((await as('nadia', 'POST', '/api/v1/namespaces/own/namespaces', { metadata: { name: 'x' } })).status).toBe(
      404,
    );
    expect((await admin('GET', '/api/v1/namespaces/foreign')).body).not.toHaveProperty('metadata.deletionTimestamp');
  });

  test('a path below a subresource leads nowhere', async () => {
    await makeNamespace('below');
    const deployments = '/apis/apps/v1/namespaces/below/deployments';
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template };
    expect((await admin('POST', deployments, { metadata: { name: 'd' }, spec })).status).toBe(201);
    const rules = [{ verbs: ['patch'], apiGroups: ['apps'], resources: ['deployments/status'] }];
    await grant('stan', rules, 'below');
    const patch = { spec: { replicas: 9 } };
    const merge = 'application/merge-patch+json';
    expect((await as('stan', 'PATCH', `${deployments}/d/status/x`, patch, merge)).status).toBe(404);
    expect((await as('stan', 'PATCH', `${deployments}/d/status`, patch, merge)).status).toBe(200);
    expect((await admin('GET', `${deployments}/d`)).body).toMatchObject({ spec: { replicas: 1 } });
  });

  test('the right to create one name creates no other', async () => {
    await makeNamespace('names');
    const rules = [{ verbs: ['create'], apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'] }];
    await grant('cora', rules, 'names');
    const url = '/api/v1/namespaces/names/configmaps';
    expect((await as('cora', 'POST', `${url}/mine`, { metadata: { name: 'other' } })).status).toBe(405);
    expect((await admin('GET', `${url}/other`)).status).toBe(404);
  });
});
