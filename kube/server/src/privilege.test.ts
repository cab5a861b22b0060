/** What an attacker tries who holds some right and wants more. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { administrator, callApi, startTestCluster, type ApiAnswer, type TestCluster } from './testing.ts';

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

describe('certificates', () => {
  const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const client = 'kubernetes.io/kube-apiserver-client';
  const request = async (name: string, organizations: readonly string[] = []): Promise<object> => {
    const pem = await createCsr(await generateKey(), name, organizations);
    const spec = { signerName: client, usages: ['client auth'], request: Buffer.from(pem).toString('base64') };
    return { metadata: { name }, spec };
  };
  const approved = { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] };
  const merge = 'application/merge-patch+json';

  test('approving needs the right to approve for the signer', async () => {
    const group = 'certificates.k8s.io';
    const update = { verbs: ['patch'], apiGroups: [group], resources: ['certificatesigningrequests/approval'] };
    const approve = { verbs: ['approve'], apiGroups: [group], resources: ['signers'] };
    await grant('arno', [update]);
    await grant('anna', [update, { ...approve, resourceNames: ['kubernetes.io/*'] }]);
    expect((await admin('POST', requests, await request('one'))).status).toBe(201);
    const refused = await as('arno', 'PATCH', `${requests}/one/approval`, { status: approved }, merge);
    expect(refused.body).toMatchObject({
      code: 403,
      message: `certificatesigningrequests.certificates.k8s.io "one" is forbidden: user not permitted to approve requests with signerName "${client}"`,
    });
    expect((await as('anna', 'PATCH', `${requests}/one/approval`, { status: approved }, merge)).status).toBe(200);
  });

  test('the right to write the status neither approves nor signs', async () => {
    const resources = ['certificatesigningrequests/status'];
    await grant('sten', [{ verbs: ['patch'], apiGroups: ['certificates.k8s.io'], resources }]);
    await admin('POST', requests, await request('two'));
    const approving = await as('sten', 'PATCH', `${requests}/two/status`, { status: approved }, merge);
    expect(approving.body).not.toHaveProperty('status.conditions');
    const signing = { status: { certificate: Buffer.from('mine').toString('base64') } };
    expect((await as('sten', 'PATCH', `${requests}/two/status`, signing, merge)).body).toMatchObject({ code: 403 });
  });

  test('nobody asks for a certificate of system:masters', async () => {
    expect((await admin('POST', requests, await request('three', ['system:masters']))).body).toMatchObject({
      code: 403,
      message: expect.stringContaining(`use of ${client} signer with system:masters group is not allowed`) as string,
    });
  });
});

describe('custom kinds', () => {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const definition = (group: string, plural: string, kind: string, annotations: object): object => ({
    metadata: { name: `${plural}.${group}`, annotations },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [{ name: 'v9', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  });

  test('a group without a dot is refused', async () => {
    expect((await admin('POST', crds, definition('apps', 'deployments', 'Deployment', {}))).body).toMatchObject({
      code: 422,
      message: expect.stringContaining(
        'spec.group: Invalid value: "apps": should be a domain with at least one dot',
      ) as string,
    });
  });

  test('the name of a built-in kind is not accepted, and deleting the definition deletes none of its objects', async () => {
    await makeNamespace('shadow');
    await grant('kept', [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }], 'shadow');
    const shadow = definition(rbac, 'roles', 'Role', { 'api-approved.kubernetes.io': 'unapproved' });
    expect((await admin('POST', crds, shadow)).status).toBe(201);
    await expect
      .poll(async () => (await admin('GET', `${crds}/roles.${rbac}`)).body)
      .toMatchObject({
        status: {
          conditions: expect.arrayContaining([
            expect.objectContaining({ type: 'Established', status: 'False' }),
          ]) as unknown,
        },
      });
    expect((await admin('GET', `/apis/${rbac}/v9/namespaces/shadow/roles`)).status).toBe(404);
    await admin('DELETE', `${crds}/roles.${rbac}`);
    await expect.poll(async () => (await admin('GET', `${crds}/roles.${rbac}`)).status).toBe(404);
    expect((await admin('GET', `/apis/${rbac}/v1/namespaces/shadow/roles/kept`)).status).toBe(200);
  });
});

describe('parts of a pod', () => {
  test('the right to one subresource changes no other part', async () => {
    await makeNamespace('pods');
    const pods = '/api/v1/namespaces/pods/pods';
    await admin('POST', '/api/v1/namespaces/pods/serviceaccounts', { metadata: { name: 'default' } });
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    expect((await admin('POST', pods, { metadata: { name: 'p' }, spec })).status).toBe(201);
    const resources = ['pods/ephemeralcontainers', 'pods/resize'];
    await grant('olga', [{ verbs: ['patch'], apiGroups: [''], resources }], 'pods');
    const changed = { name: 'c', image: 'evil', resources: { limits: { cpu: '2' } } };
    const patch = {
      metadata: { labels: { app: 'web' } },
      spec: { nodeName: 'evil', containers: [changed], ephemeralContainers: [{ name: 'debug', image: 'i' }] },
      status: { phase: 'Running', podIP: '10.0.0.1' },
    };
    for (const part of ['ephemeralcontainers', 'resize']) {
      const merge = 'application/merge-patch+json';
      expect((await as('olga', 'PATCH', `${pods}/p/${part}`, patch, merge)).status).toBe(200);
    }
    const { body } = await admin('GET', `${pods}/p`);
    expect(body).toMatchObject({
      spec: {
        containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '2' } } }],
        ephemeralContainers: [{ name: 'debug' }],
      },
      status: { phase: 'Pending' },
    });
    for (const path of ['metadata.labels', 'spec.nodeName', 'status.podIP']) expect(body).not.toHaveProperty(path);
  });
});

describe('token reviews', () => {
  const review = async (token: string, audiences: readonly string[]): Promise<object> =>
    (
      (await admin('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token, audiences } })).body as {
        status: object;
      }
    ).status;

  test('name no audience that the token is not for', async () => {
    await makeNamespace('tokens');
    const accounts = '/api/v1/namespaces/tokens/serviceaccounts';
    await admin('POST', accounts, { metadata: { name: 'robot' } });
    const wish = { spec: { audiences: ['vault'], expirationSeconds: 600 } };
    const issued = (await admin('POST', `${accounts}/robot/token`, wish)).body as { status: { token: string } };
    const { token } = issued.status;
    expect(await review(token, ['bank', 'vault'])).toMatchObject({ authenticated: true, audiences: ['vault'] });
    expect(await review(token, ['bank'])).toMatchObject({ authenticated: false });
  });

  test('accept a known token for the API itself alone', async () => {
    const user = { username: 'static', groups: [] };
    const other = await cluster.server.createCluster(cluster.ctx, 'known', {
      staticTokens: [{ token: 'known', user }],
    });
    const transport = inProcessTransport(other.handlerAs(administrator));
    const status = async (audiences: readonly string[]): Promise<unknown> =>
      (
        await callApi(cluster.ctx, transport, {
          method: 'POST',
          url: '/apis/authentication.k8s.io/v1/tokenreviews',
          body: { spec: { token: 'known', audiences } },
        })
      ).body;
    expect(await status([])).toMatchObject({ status: { authenticated: true } });
    expect(await status(['bank'])).toMatchObject({ status: { authenticated: false } });
  });
});

test('an object grows by patches no further than a store of etcd takes', async () => {
  await makeNamespace('large');
  const url = '/api/v1/namespaces/large/configmaps';
  const merge = 'application/merge-patch+json';
  await grant('greta', [{ verbs: ['create', 'patch'], apiGroups: [''], resources: ['configmaps'] }], 'large');
  expect((await as('greta', 'POST', url, { metadata: { name: 'a' } })).status).toBe(201);
  const more = (key: string): Promise<ApiAnswer> =>
    as('greta', 'PATCH', `${url}/a`, { data: { [key]: 'x'.repeat(1_000_000) } }, merge);
  expect((await more('one')).status).toBe(200);
  expect((await more('two')).body).toMatchObject({ code: 413, reason: 'RequestEntityTooLarge' });
  const huge = { metadata: { name: 'b' }, data: { one: 'x'.repeat(2_000_000) } };
  expect((await as('greta', 'POST', url, huge)).status).toBe(413);
  expect((await as('greta', 'POST', `${url}?dryRun=All`, huge)).status).toBe(413);
});

test('a token is bound only to a pod that runs as its account', async () => {
  await makeNamespace('bound');
  const at = '/api/v1/namespaces/bound';
  for (const name of ['one', 'two']) await admin('POST', `${at}/serviceaccounts`, { metadata: { name } });
  const spec = { serviceAccountName: 'one', containers: [{ name: 'c', image: 'i' }] };
  expect((await admin('POST', `${at}/pods`, { metadata: { name: 'p' }, spec })).status).toBe(201);
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p' };
  const ask = (account: string): Promise<ApiAnswer> =>
    admin('POST', `${at}/serviceaccounts/${account}/token`, { spec: { boundObjectRef } });
  expect((await ask('one')).status).toBe(201);
  expect((await ask('two')).body).toMatchObject({
    code: 400,
    message: 'cannot bind token for serviceaccount "two" to pod running with different serviceaccount name.',
  });
});
