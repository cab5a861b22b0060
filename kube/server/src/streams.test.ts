import { afterAll, beforeAll, expect, test } from 'vitest';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { callApi, startTestCluster, type TestCluster } from './testing.ts';

let cluster: TestCluster;
const asked: ServerRequest[] = [];
const audited: Readonly<Record<string, unknown>>[] = [];

/** A kubelet that logs what it is asked and echoes streams. */
const kubelet = inProcessTransport(async (_ctx, request) => {
  asked.push(request);
  if (request.url.startsWith('/containerLogs/')) return { status: 200, headers: {}, body: Buffer.from('line\n') };
  return {
    status: 101,
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
    body: null,
    upgrade: (socket) => void socket.pipe(socket),
  };
});

beforeAll(async () => {
  cluster = await startTestCluster({ dialKubelet: async () => kubelet, audit: (event) => void audited.push(event) });
  const post = (url: string, body: object): Promise<unknown> =>
    callApi(cluster.ctx, cluster.transport, { method: 'POST', url, body });
  await post('/api/v1/nodes', { metadata: { name: 'n' } });
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await post('/api/v1/namespaces/default/pods', { metadata: { name: 'p' }, spec });
  await post('/api/v1/namespaces/default/pods', {
    metadata: { name: 'nowhere' },
    spec: { containers: spec.containers },
  });
});
afterAll(() => cluster.close());

const exec = '/api/v1/namespaces/default/pods/p/exec?command=sh&command=-c&stdin=true&stdout=true&tty=false';
const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', authorization: 'Bearer secret' };

test('exec is the kubelet stream, byte for byte, without the credentials of the caller', async () => {
  const result = await cluster.transport.upgrade(cluster.ctx, { method: 'POST', url: exec, headers, body: null });
  if (result.kind !== 'upgraded') throw new Error('not upgraded');
  const echoed = new Promise<string>((resolve) =>
    result.socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  result.socket.write('hello');
  expect(await echoed).toBe('hello');
  result.socket.destroy();
  const last = asked.at(-1);
  expect(last?.url).toBe('/exec/default/p/c?command=sh&command=-c&input=1&output=1');
  expect(last?.headers).not.toHaveProperty('authorization');
  expect(audited.at(-1)).toMatchObject({
    verb: 'create',
    responseStatus: { code: 101 },
    objectRef: { resource: 'pods', subresource: 'exec', name: 'p' },
  });
});

test('opening a stream by GET needs the right to create', async () => {
  const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods', 'pods/exec', 'pods/log'] }];
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  await callApi(cluster.ctx, cluster.transport, {
    method: 'POST',
    url: `${rbac}/roles`,
    body: { metadata: { name: 'r' }, rules },
  });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' };
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'eve' }];
  await callApi(cluster.ctx, cluster.transport, {
    method: 'POST',
    url: `${rbac}/rolebindings`,
    body: { metadata: { name: 'r' }, roleRef, subjects },
  });
  const eve = cluster.transportAs({ username: 'eve', groups: [] });
  const refused = await eve.upgrade(cluster.ctx, { method: 'GET', url: exec, headers, body: null });
  expect(refused).toMatchObject({ kind: 'refused', response: { status: 403 } });
});

test('logs come from the node; a pod without one has none', async () => {
  const log = (pod: string): Promise<unknown> =>
    callApi(cluster.ctx, cluster.transport, {
      method: 'GET',
      url: `/api/v1/namespaces/default/pods/${pod}/log?tailLines=1`,
    });
  expect(await log('p')).toMatchObject({ status: 200, body: 'line\n' });
  expect(asked.at(-1)?.url).toBe('/containerLogs/default/p/c?tailLines=1');
  expect(await log('nowhere')).toMatchObject({ status: 200, body: '' });
  const noHost = await callApi(cluster.ctx, cluster.transport, {
    method: 'POST',
    url: exec.replace('/p/', '/nowhere/'),
  });
  expect(noHost.body).toMatchObject({ code: 400, message: 'pod nowhere does not have a host assigned' });
});
