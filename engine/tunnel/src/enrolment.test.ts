import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { describe, expect, it } from 'vitest';
import {
  createEnrolmentHandler,
  createRenewal,
  enrolAgent,
  newEnrolmentToken,
  type EnrolmentOptions,
  type EnrolmentRequest,
} from './enrolment.ts';
import { MemoryEnrolmentStore, testAgents, testMember } from './testing.ts';

const ctx = background();
const certificates: Readonly<Record<string, string>> = {
  first: testAgents.first.certificatePem,
  second: testAgents.second.certificatePem,
};

function setup(): {
  readonly store: MemoryEnrolmentStore;
  readonly token: string;
  readonly options: EnrolmentOptions;
  readonly enrol: (request: Partial<EnrolmentRequest>) => ReturnType<typeof enrolAgent>;
} {
  const store = new MemoryEnrolmentStore();
  const { token, tokenHash } = newEnrolmentToken(systemRandom);
  store.tokens.set(tokenHash, { member: testMember, expiresMs: ctx.clock.now() + 60_000 });
  store.authorities.set('uid-1', {
    member: testMember,
    issuer: 'https://member',
    jwks: '{"keys":[]}',
    externalId: 'kube-system-uid',
  });
  const options: EnrolmentOptions = {
    hubId: 'hub',
    store,
    agentSubject: 'system:serviceaccount:polyanthus-agent:tunnel',
    issue: async (_ctx, { csrPem }) => {
      const certificate = certificates[csrPem];
      if (certificate === undefined) throw new Error('no CSR');
      return certificate;
    },
    verifyToken: async (_ctx, jwt, { issuer, audience }) => {
      const [by, subject] = jwt.split(' ');
      if (by !== `${issuer}+${audience}`) throw new Error('bad token');
      return subject ?? '';
    },
  };
  const hub = inProcessTransport(createEnrolmentHandler(options));
  return {
    store,
    token,
    options,
    enrol: (request) => enrolAgent(ctx, hub, { externalId: 'kube-system-uid', csrPem: 'first', ...request }),
  };
}

const refused = (text: string) =>
  expect.objectContaining({ code: 'EnrolmentRefused', message: expect.stringContaining(text) as unknown }) as unknown;

describe('enrolment by token', () => {
  it('binds the key of the request to the membership', async () => {
    const { enrol, token, store } = setup();
    expect(await enrol({ token })).toEqual({
      certificatePem: certificates['first'],
      membershipUid: 'uid-1',
      membership: 'fleet-a/member-1',
      hubId: 'hub',
    });
    expect(store.keys.get(testAgents.first.keyHash)).toEqual(testMember);
  });

  it('takes a token once: another key is refused, the same one may ask again after a lost answer', async () => {
    const { enrol, token, store } = setup();
    await enrol({ token });
    await expect(enrol({ token, csrPem: 'second' })).rejects.toEqual(refused('used by another agent'));
    expect((await enrol({ token })).membershipUid).toBe('uid-1');
    expect([...store.keys.keys()]).toEqual([testAgents.first.keyHash]);
  });

  it('refuses unknown and expired tokens in the same words', async () => {
    const { enrol, store, token } = setup();
    await expect(enrol({ token: 'guess' })).rejects.toEqual(refused('unknown, has expired or was used'));
    for (const one of store.tokens.values()) Object.assign(one, { expiresMs: 0 });
    await expect(enrol({ token })).rejects.toEqual(refused('unknown, has expired or was used'));
  });

  it('keeps the token for a request that cannot be signed', async () => {
    const { enrol, token } = setup();
    await expect(enrol({ token, csrPem: 'nonsense' })).rejects.toEqual(refused('not one that can be signed'));
    expect((await enrol({ token })).membershipUid).toBe('uid-1');
  });

  it('refuses a request with both credentials, and one with none', async () => {
    const { enrol, token } = setup();
    await expect(enrol({ token, serviceAccountToken: 'x' })).rejects.toEqual(refused('either'));
    await expect(enrol({})).rejects.toEqual(refused('either'));
  });
});

describe('enrolment by the ServiceAccount of the cluster', () => {
  const good = 'https://member+hub system:serviceaccount:polyanthus-agent:tunnel';

  it('replaces the key', async () => {
    const { enrol, store, token } = setup();
    await enrol({ token });
    await enrol({ serviceAccountToken: good, membershipUid: 'uid-1', csrPem: 'second' });
    expect([...store.keys.keys()]).toEqual([testAgents.second.keyHash]);
  });

  it.each([
    ['another account', good.replace('tunnel', 'default'), 'uid-1', 'not of the agent'],
    ['another audience', good.replace('+hub', '+other'), 'uid-1', 'not accepted'],
    ['an unknown membership', good, 'uid-2', 'unknown'],
  ])('refuses %s', async (_name, serviceAccountToken, membershipUid, text) => {
    const { enrol } = setup();
    await expect(enrol({ serviceAccountToken, membershipUid })).rejects.toEqual(refused(text));
  });

  it('refuses a cluster that is not the one of the membership', async () => {
    const { enrol } = setup();
    await expect(enrol({ serviceAccountToken: good, membershipUid: 'uid-1', externalId: 'other' })).rejects.toEqual(
      refused('another cluster'),
    );
  });
});

it('a renewal is for the same key alone', async () => {
  const renew = createRenewal(setup().options);
  const identity = { membershipUid: 'uid-1', keyHash: testAgents.first.keyHash };
  expect(await renew(ctx, identity, 'first')).toBe(certificates['first']);
  await expect(renew(ctx, identity, 'second')).rejects.toEqual(refused('the key that holds the tunnel'));
});
