import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Transport } from '@polyanthus/ground-http/message';
import { createAuthority, type Authority } from '@polyanthus/ground-pki/authority';
import { readCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { createClient } from '@polyanthus/kube-client/rest';
import { serviceAccounts } from '@polyanthus/kube-kinds/core';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterUserAuthenticator, tokenReviewAuthenticator } from './hub-access.ts';

describe('a bearer token', () => {
  const clock = createVirtualClock();
  let cluster: TestCluster;
  let questions = 0;
  const counting = (): Transport => ({
    ...cluster.transport,
    request: (ctx, request) => {
      questions++;
      return cluster.transport.request(ctx, request);
    },
  });
  beforeEach(async () => {
    cluster = await startTestCluster({ clock });
    questions = 0;
  });
  afterEach(() => cluster.close());

  const asked = (token: string) => ({ headers: { authorization: `Bearer ${token}` }, peer: { address: '' } });
  const tokenOf = async (): Promise<string> => {
    const client = createClient(cluster.transport);
    const at = { namespace: 'default', name: 'robot' };
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: at };
    await client.create(cluster.ctx, serviceAccounts, account);
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
    type Answer = { readonly status: { readonly token: string } };
    return (await client.createAt<Answer>(cluster.ctx, serviceAccounts, at, 'token', body)).status.token;
  };

  it('is asked about once by many requests at a time, and again after 10 s', async () => {
    const token = await tokenOf();
    const authenticate = tokenReviewAuthenticator(createClient(counting()));
    const users = await Promise.all(Array.from({ length: 50 }, () => authenticate(cluster.ctx, asked(token))));
    expect(new Set(users.map((user) => user?.username))).toEqual(new Set(['system:serviceaccount:default:robot']));
    expect(questions).toBe(1);
    await authenticate(cluster.ctx, asked(token));
    expect(questions).toBe(1);
    await clock.advance(10_001);
    await authenticate(cluster.ctx, asked(token));
    expect(questions).toBe(2);
  });

  it('that is not good is refused to all who wait, and never kept', async () => {
    const authenticate = tokenReviewAuthenticator(createClient(counting()));
    const tries = await Promise.allSettled([1, 2, 3].map(() => authenticate(cluster.ctx, asked('nonsense'))));
    expect(tries.map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(questions).toBe(1);
    await expect(authenticate(cluster.ctx, asked('nonsense'))).rejects.toMatchObject({ code: 'Unauthorized' });
    expect(questions).toBe(2);
  });

  it('is still asked about when the first who asked goes away', async () => {
    const token = await tokenOf();
    const authenticate = tokenReviewAuthenticator(createClient(counting()));
    const gone = new AbortController();
    const first = authenticate({ ...cluster.ctx, signal: gone.signal }, asked(token));
    const second = authenticate(cluster.ctx, asked(token));
    gone.abort();
    await expect(first).rejects.toThrow();
    expect(await second).toMatchObject({ username: 'system:serviceaccount:default:robot' });
    expect(questions).toBe(1);
  });
});

describe('a client certificate of the cluster', () => {
  const ctx = background();
  let users: Authority;
  let foreign: Authority;
  beforeEach(async () => {
    const made = (commonName: string) => createAuthority({ commonName, nowMs: ctx.clock.now(), random: systemRandom });
    [users, foreign] = await Promise.all([made('users'), made('foreign')]);
  });
  const show = async (by: Authority, commonName: string, organizations: readonly string[], ttlMs = 60_000) => {
    const { publicKeyPem } = await generateKey();
    const wanted = { commonName, organizations, publicKeyPem, ttlMs };
    const pem = await by.issueClient(ctx.clock.now(), wanted);
    return { headers: {}, peer: { address: '', certificate: readCertificate(pem).raw } };
  };

  it('names its user and groups, as long as its CA is among those of now', async () => {
    let pems: readonly string[] = [];
    const authenticate = clusterUserAuthenticator(() => pems);
    const request = await show(users, 'carol', ['devs', 'ops']);
    expect(await authenticate(ctx, request)).toBeUndefined();
    pems = [foreign.certificatePem, users.certificatePem];
    expect(await authenticate(ctx, request)).toEqual({ username: 'carol', groups: ['devs', 'ops'] });
    pems = [foreign.certificatePem];
    await expect(authenticate(ctx, request)).rejects.toMatchObject({ code: 'Unauthorized' });
  });

  it.each([
    ['polyanthus:agent:1', []],
    ['carol', ['polyanthus:agents']],
    ['polyanthus:admin', []],
    ['hub:serviceaccount:ci:robot', []],
  ])('with a name that the hub itself gives is nobody’s (%s, %j)', async (commonName, organizations) => {
    const authenticate = clusterUserAuthenticator(() => [users.certificatePem]);
    const request = await show(users, commonName, organizations);
    await expect(authenticate(ctx, request)).rejects.toMatchObject({ code: 'Unauthorized' });
  });
});
