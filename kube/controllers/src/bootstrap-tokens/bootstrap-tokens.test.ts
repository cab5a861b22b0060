import { afterEach, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { configMaps, secrets } from '@polyanthus/kube-kinds/core';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { callApi, startTestCluster } from '@polyanthus/kube-server/testing';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '../start.ts';
import { detachedSignature } from './controllers.ts';

let closing: (() => Promise<void>) | undefined;
afterEach(async () => closing?.());

async function open(): Promise<{
  readonly ctx: Context;
  readonly client: KubeClient;
  readonly clock: TestClock;
  readonly anyone: Transport;
}> {
  const clock = createTestClock();
  const random = createSeededRandom(3);
  const server = await startTestCluster({ clock, random });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(server.transport);
  const controllers = startControllers(ctx, {
    client,
    random,
    names: ['token-cleaner-controller', 'bootstrap-signer-controller'],
    freeze: true,
  });
  closing = async () => {
    cancel();
    await controllers.stopped;
    await server.close();
  };
  return { ctx, client, clock, anyone: inProcessTransport(server.cluster.handler) };
}

const token = (id: string, more: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
  type: 'bootstrap.kubernetes.io/token',
  stringData: { 'token-id': id, 'token-secret': '0123456789abcdef', ...more },
});

it('signs cluster-info with the tokens that may, as long as they live, and deletes those that have run out', async () => {
  const { ctx, client, clock } = await open();
  const signing = { 'usage-bootstrap-signing': 'true' };
  await client.create(ctx, secrets, token('aaaaaa', { ...signing, expiration: '2026-01-01T01:00:00Z' }));
  await client.create(ctx, secrets, token('bbbbbb', signing));
  await client.create(ctx, secrets, token('cccccc', {}));
  await client.create(ctx, configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'kube-public', name: 'cluster-info' },
    data: { kubeconfig: 'clusters: []', own: 'kept' },
  });
  const info = async () => (await client.get(ctx, configMaps, { namespace: 'kube-public', name: 'cluster-info' })).data;
  const signature = (id: string): string => detachedSignature('clusters: []', id, '0123456789abcdef');
  await clock.until(async () => (await info())?.['jws-kubeconfig-aaaaaa'] !== undefined, 'the signatures');
  expect(await info()).toEqual({
    kubeconfig: 'clusters: []',
    own: 'kept',
    'jws-kubeconfig-aaaaaa': signature('aaaaaa'),
    'jws-kubeconfig-bbbbbb': signature('bbbbbb'),
  });
  await clock.advance(3_600_000);
  await clock.until(async () => (await info())?.['jws-kubeconfig-aaaaaa'] === undefined, 'the signature to go');
  expect((await info())?.['jws-kubeconfig-bbbbbb']).toBe(signature('bbbbbb'));
  const left = await client.list(ctx, secrets, {
    namespace: 'kube-system',
    fieldSelector: 'type=bootstrap.kubernetes.io/token',
  });
  expect(left.items.map(({ metadata }) => metadata.name)).toEqual(['bootstrap-token-bbbbbb', 'bootstrap-token-cccccc']);
  const gone = await client
    .get(ctx, secrets, { namespace: 'kube-system', name: 'bootstrap-token-aaaaaa' })
    .catch((error: unknown) => error);
  expect(hasCode(gone, 'NotFound')).toBe(true);
});

it('lets the bearer of a live token in, as a bootstrapper', async () => {
  const { ctx, client, clock, anyone } = await open();
  const may = { 'usage-bootstrap-authentication': 'true', 'auth-extra-groups': 'system:bootstrappers:edge' };
  await client.create(ctx, secrets, token('dddddd', { ...may, expiration: '2026-01-01T01:00:00Z' }));
  const ask = () =>
    callApi(ctx, anyone, {
      method: 'POST',
      url: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      headers: { authorization: 'Bearer dddddd.0123456789abcdef' },
    });
  expect((await ask()).body).toMatchObject({
    status: {
      userInfo: {
        username: 'system:bootstrap:dddddd',
        groups: ['system:bootstrappers', 'system:bootstrappers:edge', 'system:authenticated'],
      },
    },
  });
  await clock.advance(3_600_000);
  expect((await ask()).status).toBe(401);
});

it('signs as kubeadm checks it: a JWS without its content', () => {
  // Of kubernetes/cluster-bootstrap: content, token and the signature that it expects.
  expect(
    detachedSignature(
      'Hello from the other side. I must have called a thousand times.',
      'joshua',
      'my voice is my passcode',
    ),
  ).toBe('eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8');
});
