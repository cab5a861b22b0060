import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { describe, expect, it } from 'vitest';
import { createAuthority, createCsr } from '@polyanthus/ground-pki/authority';
import { parseCertificate, verifyCertificate } from '@polyanthus/ground-pki/certificate';
import { jwksOf, signJwt } from '@polyanthus/ground-pki/jwt';
import { generateKey, publicKeyHash } from '@polyanthus/ground-pki/keys';
import {
  createEnrolmentHandler,
  createRenewal,
  enrolAgent,
  enrolmentAudience,
  newEnrolmentToken,
  type EnrolmentRequest,
} from './enrolment.ts';
import { MemoryEnrolmentStore, testMember } from './testing.ts';

const ctx = background();
const authority = await createAuthority({ commonName: 'agents', nowMs: ctx.clock.now(), random: systemRandom });
const [firstKey, secondKey, memberKey] = await Promise.all([generateKey(), generateKey(), generateKey()]);
const [first, second] = await Promise.all([createCsr(firstKey, 'any'), createCsr(secondKey, 'any')]);
const hashOf = (pair: { readonly publicKeyPem: string }): string => publicKeyHash(pair.publicKeyPem);
const jwks = JSON.stringify(await jwksOf([memberKey.publicKeyPem]));
const tunnel = 'system:serviceaccount:polyanthus-agent:tunnel';
const fleet = 'system:serviceaccount:polyanthus-agent:fleet';
const agentSubjects = { tunnel, api: [fleet] };

function setup(): {
  readonly store: MemoryEnrolmentStore;
  readonly token: string;
  readonly enrol: (request: Partial<EnrolmentRequest>) => ReturnType<typeof enrolAgent>;
} {
  const store = new MemoryEnrolmentStore();
  const { token, tokenHash } = newEnrolmentToken(systemRandom);
  store.tokens.set(tokenHash, { member: testMember, expiresMs: ctx.clock.now() + 60_000 });
  store.authorities.set('uid-1', { member: testMember, issuer: 'https://member', jwks, externalId: 'kube-system-uid' });
  const hub = inProcessTransport(createEnrolmentHandler({ hubId: 'hub', store, agentSubjects, authority }));
  return {
    store,
    token,
    enrol: (request) => enrolAgent(ctx, hub, { externalId: 'kube-system-uid', csrPem: first, ...request }),
  };
}

/** A token of the member's own issuer, with what a test changes. */
function accountToken(
  more: { readonly sub?: string; readonly aud?: string; readonly iss?: string; readonly exp?: number } = {},
  key = memberKey,
): Promise<string> {
  const nowSeconds = Math.floor(ctx.clock.now() / 1000);
  return signJwt(key.privateKeyPem, {
    iss: 'https://member',
    aud: enrolmentAudience('uid-1'),
    sub: tunnel,
    iat: nowSeconds,
    exp: nowSeconds + 600,
    ...more,
  });
}

const refused = (text: string) =>
  expect.objectContaining({ code: 'EnrolmentRefused', message: expect.stringContaining(text) as unknown }) as unknown;

describe('enrolment by token', () => {
  it('binds the key of the request to the membership', async () => {
    const { enrol, token, store } = setup();
    const { certificatePem, ...rest } = await enrol({ token });
    expect(rest).toEqual({ membershipUid: 'uid-1', membership: 'fleet-a/member-1', hubId: 'hub' });
    verifyCertificate(certificatePem, [authority.certificatePem], ctx.clock.now());
    expect(parseCertificate(certificatePem)).toMatchObject({
      commonName: 'polyanthus:agent:uid-1',
      organizations: ['polyanthus:agents'],
      publicKeyHash: hashOf(firstKey),
    });
    expect(store.keys.get(hashOf(firstKey))).toEqual(testMember);
  });

  it('takes a token once: another key is refused, the same one may ask again after a lost answer', async () => {
    const { enrol, token, store } = setup();
    await enrol({ token });
    await expect(enrol({ token, csrPem: second })).rejects.toEqual(refused('used by another agent'));
    expect((await enrol({ token })).membershipUid).toBe('uid-1');
    expect([...store.keys.keys()]).toEqual([hashOf(firstKey)]);
  });

  it('refuses unknown and expired tokens in the same words', async () => {
    const { enrol, store, token } = setup();
    await expect(enrol({ token: 'guess' })).rejects.toEqual(refused('unknown, has expired or was used'));
    for (const one of store.tokens.values()) Object.assign(one, { expiresMs: 0 });
    await expect(enrol({ token })).rejects.toEqual(refused('unknown, has expired or was used'));
  });

  it('keeps the token for a request that cannot be signed', async () => {
    const { enrol, token } = setup();
    await expect(enrol({ token, csrPem: 'nonsense' })).rejects.toEqual(refused('cannot be used'));
    expect((await enrol({ token })).membershipUid).toBe('uid-1');
  });

  it('refuses a request with both credentials, and one with none', async () => {
    const { enrol, token } = setup();
    await expect(enrol({ token, serviceAccountToken: 'x' })).rejects.toEqual(refused('either'));
    await expect(enrol({})).rejects.toEqual(refused('either'));
  });
});

describe('enrolment by the ServiceAccount of the cluster', () => {
  it('replaces the key', async () => {
    const { enrol, store, token } = setup();
    await enrol({ token });
    await enrol({ serviceAccountToken: await accountToken(), membershipUid: 'uid-1', csrPem: second });
    expect([...store.keys.keys()]).toEqual([hashOf(secondKey)]);
  });

  it('takes every restart of the pod, each with a key of its own', async () => {
    const { enrol, store } = setup();
    for (const csrPem of [first, second, first, second])
      await enrol({ serviceAccountToken: await accountToken(), membershipUid: 'uid-1', csrPem });
    expect([...store.keys.keys()]).toEqual([hashOf(secondKey)]);
  });

  it('gives another role of the agent a certificate, and leaves the tunnel to its own key', async () => {
    const { enrol, store, token } = setup();
    await enrol({ token });
    const serviceAccountToken = await accountToken({ sub: fleet });
    const { certificatePem } = await enrol({ serviceAccountToken, membershipUid: 'uid-1', csrPem: second });
    expect(parseCertificate(certificatePem)).toMatchObject({
      commonName: 'polyanthus:agent:uid-1',
      publicKeyHash: hashOf(secondKey),
    });
    expect([...store.keys.keys()]).toEqual([hashOf(firstKey)]);
  });

  it.each([
    ['another account', { sub: 'system:serviceaccount:default:default' }, 'uid-1', 'not of the agent'],
    ['another audience', { aud: 'another' }, 'uid-1', 'not accepted'],
    ['a token for another membership', { aud: enrolmentAudience('uid-2') }, 'uid-1', 'not accepted'],
    ['another issuer', { iss: 'https://elsewhere' }, 'uid-1', 'not accepted'],
    ['a token that ran out', { exp: 1 }, 'uid-1', 'not accepted'],
    ['an unknown membership', {}, 'uid-2', 'unknown'],
  ])('refuses %s', async (_name, claims, membershipUid, text) => {
    const { enrol, store } = setup();
    await expect(enrol({ serviceAccountToken: await accountToken(claims), membershipUid })).rejects.toEqual(
      refused(text),
    );
    expect(store.keys.size).toBe(0);
  });

  it('refuses a token by another key, and a cluster that is not the one of the membership', async () => {
    const { enrol } = setup();
    await expect(
      enrol({ serviceAccountToken: await accountToken({}, firstKey), membershipUid: 'uid-1' }),
    ).rejects.toEqual(refused('not accepted'));
    await expect(
      enrol({ serviceAccountToken: await accountToken(), membershipUid: 'uid-1', externalId: 'other' }),
    ).rejects.toEqual(refused('another cluster'));
  });
});

it('a renewal is for the same key alone', async () => {
  const renew = createRenewal({ authority });
  const identity = { membershipUid: 'uid-1', keyHash: hashOf(firstKey) };
  expect(parseCertificate(await renew(ctx, identity, first)).commonName).toBe('polyanthus:agent:uid-1');
  await expect(renew(ctx, identity, second)).rejects.toEqual(refused('the key that holds the tunnel'));
});
