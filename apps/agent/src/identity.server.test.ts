import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { jwksOf, signJwt } from '@polyanthus/ground-pki/jwt';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { createEnrolmentHandler, enrolmentAudience, newEnrolmentToken } from '@polyanthus/engine-tunnel/enrolment';
import { MemoryEnrolmentStore, testMember } from '@polyanthus/engine-tunnel/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { openIdentity, type AgentIdentity } from './identity.ts';

const day = 86_400_000;
const tunnel = 'system:serviceaccount:polyanthus-agent:polyanthus-agent-tunnel';
const clusterKey = await generateKey();

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A hub in memory, whose certificates last 30 days, and an agent's way to enrol there. */
interface Setup {
  readonly ctx: Context;
  readonly clock: VirtualClock;
  readonly store: MemoryEnrolmentStore;
  readonly open: () => Promise<AgentIdentity>;
}

async function setup(by: 'token' | 'account'): Promise<Setup> {
  const clock = createVirtualClock({ startMs: Date.UTC(2026, 0, 1) });
  const ctx = background({ clock });
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-agent-'));
  folders.push(folder);
  const store = new MemoryEnrolmentStore();
  const { token, tokenHash } = newEnrolmentToken(systemRandom);
  store.tokens.set(tokenHash, { member: testMember, expiresMs: clock.now() + day });
  const jwks = JSON.stringify(await jwksOf([clusterKey.publicKeyPem]));
  store.authorities.set('uid-1', { member: testMember, issuer: 'https://member', jwks, externalId: 'system-uid' });
  const authority = await createAuthority({ commonName: 'agents', nowMs: clock.now(), random: systemRandom });
  const hub = inProcessTransport(
    createEnrolmentHandler({ hubId: 'hub', store, agentSubjects: { tunnel, api: [] }, authority }),
  );
  const [tokenFile, accountFile] = [join(folder, 'token'), join(folder, 'account')];
  await writeFile(tokenFile, token);
  const claims = { iss: 'https://member', aud: enrolmentAudience('uid-1'), sub: tunnel };
  const exp = Math.floor(clock.now() / 1000) + 90 * 86_400;
  await writeFile(accountFile, await signJwt(clusterKey.privateKeyPem, { ...claims, exp }));
  const source = {
    tokenFile: by === 'token' ? tokenFile : undefined,
    serviceAccountTokenFile: by === 'account' ? accountFile : undefined,
    externalId: 'system-uid',
    membershipUid: by === 'account' ? 'uid-1' : undefined,
  };
  return { ctx, clock, store, open: () => openIdentity(ctx, join(folder, 'state'), hub, source) };
}

const endOf = async (identity: AgentIdentity): Promise<number> =>
  parseCertificate((await identity.credentials()).certificatePem).notAfterMs;

describe("an agent's identity", () => {
  it('is kept over a restart', async () => {
    const { open, store } = await setup('token');
    const first = (await open()).tls();
    expect((await open()).tls()).toEqual(first);
    expect(store.keys.size).toBe(1);
  });

  it('is renewed by the ServiceAccount before it ends, with the same key', async () => {
    const { ctx, clock, open } = await setup('account');
    const identity = await open();
    const [{ key }, ends] = [identity.tls(), await endOf(identity)];
    await clock.advance(19 * day);
    await identity.keepFresh(ctx, 10 * day);
    expect(await endOf(identity)).toBe(ends);
    await clock.advance(2 * day);
    await identity.keepFresh(ctx, 10 * day);
    expect((await endOf(identity)) - ends).toBe(21 * day);
    expect(identity.tls().key).toBe(key);
  });

  it('is taken anew after it has ended', async () => {
    const { ctx, clock, open } = await setup('account');
    const identity = await open();
    await clock.advance(31 * day);
    await identity.keepFresh(ctx, 0);
    expect(await endOf(identity)).toBeGreaterThan(clock.now());
  });

  it('does not ask with a token that is used up before it must', async () => {
    const { ctx, clock, open } = await setup('token');
    const identity = await open();
    await clock.advance(29 * day);
    await identity.keepFresh(ctx, 10 * day);
    await clock.advance(2 * day);
    await expect(identity.keepFresh(ctx, 10 * day)).rejects.toMatchObject({ code: 'EnrolmentRefused' });
  });

  it('enrols again at a hub that forgot its key, but no more often than every five minutes', async () => {
    const { ctx, clock, store, open } = await setup('account');
    const identity = await open();
    store.keys.clear();
    await identity.refused(ctx);
    expect(store.keys.size).toBe(0);
    await clock.advance(5 * 60_000);
    await identity.refused(ctx);
    expect(store.keys.size).toBe(1);
  });
});
