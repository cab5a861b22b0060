import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Transport } from '@polyanthus/ground-http/message';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { readCertificate } from '@polyanthus/ground-pki/certificate';
import { callApi, startTestCluster, watchApi, type ApiAnswer, type TestCluster } from './testing.ts';

let cluster: TestCluster;
let open: Transport;
beforeAll(async () => {
  cluster = await startTestCluster();
  open = inProcessTransport(cluster.cluster.handler);
});
afterAll(() => cluster.close());

const admin = (method: string, url: string, body?: unknown): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, { method, url, ...(body === undefined ? {} : { body }) });
const asUser = (username: string, groups: readonly string[] = []): Transport =>
  cluster.transportAs({ username, groups: [...groups, 'system:authenticated'] });
const rbac = '/apis/rbac.authorization.k8s.io/v1';

describe('who asks', () => {
  test('without credentials one sees version and health, nothing else', async () => {
    expect((await callApi(cluster.ctx, open, { method: 'GET', url: '/version' })).status).toBe(200);
    const answer = await callApi(cluster.ctx, open, { method: 'GET', url: '/api/v1/pods' });
    expect(answer.body).toMatchObject({
      code: 403,
      message:
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
    });
  });

  test('a bad token is 401, never anonymous', async () => {
    const answer = await callApi(cluster.ctx, open, {
      method: 'GET',
      url: '/version',
      headers: { authorization: 'Bearer nonsense' },
    });
    expect(answer.body).toMatchObject({ code: 401, reason: 'Unauthorized' });
  });

  test('a ServiceAccount token works until its account is gone', async () => {
    const accounts = '/api/v1/namespaces/default/serviceaccounts';
    await admin('POST', accounts, { metadata: { name: 'robot' } });
    const { status } = (await admin('POST', `${accounts}/robot/token`, { spec: { expirationSeconds: 600 } })).body as {
      status: { token: string };
    };
    const whoami = (): Promise<ApiAnswer> =>
      callApi(cluster.ctx, open, {
        method: 'POST',
        url: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        body: {},
        headers: { authorization: `Bearer ${status.token}` },
      });
    expect((await whoami()).body).toMatchObject({
      status: { userInfo: { username: 'system:serviceaccount:default:robot' } },
    });
    const review = { spec: { token: status.token } };
    const reviews = '/apis/authentication.k8s.io/v1/tokenreviews';
    expect((await admin('POST', reviews, review)).body).toMatchObject({ status: { authenticated: true } });
    await admin('DELETE', `${accounts}/robot`);
    expect((await whoami()).status).toBe(401);
    expect((await admin('POST', reviews, review)).body).toMatchObject({ status: { authenticated: false } });
  });

  test('an approved request becomes a certificate of the cluster', async () => {
    const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const pem = await createCsr(await generateKey(), 'dave');
    const spec = {
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      request: Buffer.from(pem).toString('base64'),
      username: 'forged',
    };
    const created = (await admin('POST', requests, { metadata: { name: 'dave' }, spec })).body as {
      spec: { username: string };
      status?: object;
    };
    expect(created.spec.username).toBe('kubernetes-admin');
    const status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] };
    await admin('PUT', `${requests}/dave/approval`, { ...created, status });
    for await (const { object } of watchApi(cluster.ctx, cluster.transport, `${requests}?watch=1`)) {
      const { certificate } = object['status'] as { certificate?: string };
      if (certificate === undefined) continue;
      const signed = readCertificate(Buffer.from(certificate, 'base64').toString());
      expect(signed.subject).toContain('CN=dave');
      expect(signed.checkIssued(readCertificate((await cluster.cluster.identity()).authority.certificatePem))).toBe(
        true,
      );
      break;
    }
  });
});

describe('who may', () => {
  test('a binding gives what its role says, in its namespace', async () => {
    await admin('POST', `${rbac}/namespaces/default/rolebindings`, {
      metadata: { name: 'view' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'eve' }],
    });
    const status = async (url: string): Promise<number> =>
      (await callApi(cluster.ctx, asUser('eve'), { method: 'GET', url })).status;
    expect(await status('/api/v1/namespaces/default/pods')).toBe(200);
    expect(await status('/api/v1/namespaces/default/secrets')).toBe(403);
    expect(await status('/api/v1/namespaces/kube-system/pods')).toBe(403);
    await admin('DELETE', `${rbac}/namespaces/default/rolebindings/view`);
    expect(await status('/api/v1/namespaces/default/pods')).toBe(403);
  });

  test('nobody grants what they do not hold', async () => {
    await admin('POST', `${rbac}/namespaces/default/roles`, {
      metadata: { name: 'granter' },
      rules: [{ verbs: ['create'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'] }],
    });
    await admin('POST', `${rbac}/namespaces/default/rolebindings`, {
      metadata: { name: 'granter' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'granter' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'carol' }],
    });
    const carol = asUser('carol');
    const role = { metadata: { name: 'more' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'] }] };
    const refused = await callApi(cluster.ctx, carol, {
      method: 'POST',
      url: `${rbac}/namespaces/default/roles`,
      body: role,
    });
    expect(refused.body).toMatchObject({
      code: 403,
      message: expect.stringContaining('is attempting to grant RBAC permissions not currently held') as string,
    });
    const binding = {
      metadata: { name: 'root' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'carol' }],
    };
    const url = `${rbac}/namespaces/default/rolebindings`;
    expect((await callApi(cluster.ctx, carol, { method: 'POST', url, body: binding })).status).toBe(403);
  });

  test('impersonation needs the right to it, and acts with the rights of the other', async () => {
    const headers = { 'impersonate-user': 'frank' };
    const refused = await callApi(cluster.ctx, asUser('eve'), { method: 'GET', url: '/version', headers });
    expect(refused.body).toMatchObject({
      message: expect.stringContaining('cannot impersonate resource "users"') as string,
    });
    const acted = await callApi(cluster.ctx, cluster.transport, { method: 'GET', url: '/api/v1/pods', headers });
    expect(acted.body).toMatchObject({ message: expect.stringContaining('User "frank" cannot list') as string });
  });

  test('creating by apply needs the right to create', async () => {
    await admin('POST', `${rbac}/namespaces/default/roles`, {
      metadata: { name: 'patcher' },
      rules: [{ verbs: ['patch'], apiGroups: [''], resources: ['configmaps'] }],
    });
    await admin('POST', `${rbac}/namespaces/default/rolebindings`, {
      metadata: { name: 'patcher' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'patcher' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'pat' }],
    });
    const answer = await callApi(cluster.ctx, asUser('pat'), {
      method: 'PATCH',
      url: '/api/v1/namespaces/default/configmaps/new?fieldManager=pat',
      type: 'application/apply-patch+yaml',
      body: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: new\n',
    });
    expect(answer.body).toMatchObject({
      code: 403,
      message: expect.stringContaining('cannot create resource "configmaps"') as string,
    });
  });

  test('clusters of one server see nothing of each other', async () => {
    const other = await cluster.server.createCluster(cluster.ctx, 'other');
    const transport = inProcessTransport(other.handlerAs({ username: 'x', groups: ['system:masters'] }));
    await callApi(cluster.ctx, transport, {
      method: 'POST',
      url: '/api/v1/namespaces',
      body: { metadata: { name: 'only-there' } },
    });
    expect((await admin('GET', '/api/v1/namespaces/only-there')).status).toBe(404);
    const { tokenIssuer } = await other.identity();
    expect(tokenIssuer.signingKeyPem).not.toBe((await cluster.cluster.identity()).tokenIssuer.signingKeyPem);
    const all = inProcessTransport(cluster.server.handler);
    expect((await callApi(cluster.ctx, all, { method: 'GET', url: '/clusters/other/version' })).status).toBe(200);
    expect((await callApi(cluster.ctx, all, { method: 'GET', url: '/clusters/none/version' })).status).toBe(404);
  });
});
