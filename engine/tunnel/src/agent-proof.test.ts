import { createPrivateKey } from 'node:crypto';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { readCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey } from '@polyanthus/ground-pki/keys';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { signAgentProof, withProvenCertificate } from './agent-proof.ts';

const ctx = background();
const nowMs = ctx.clock.now();
const request = (authorization: string, certificate?: Uint8Array): ServerRequest => ({
  method: 'GET',
  url: '/',
  headers: { authorization, accept: '*/*' },
  body: null,
  peer: { address: 'test', ...(certificate === undefined ? {} : { certificate }) },
});

describe("an agent's proof", () => {
  let certificatePem: string;
  let other: string;
  let proof: string;
  let hub: { readonly hubId: string; readonly agentCaPems: readonly string[] };
  let sign: (change?: Partial<Parameters<typeof signAgentProof>[1]>, atMs?: number) => string;

  beforeAll(async () => {
    const authority = await createAuthority({ commonName: 'agents', nowMs, random: systemRandom });
    const keys = await generateKey();
    const { publicKeyPem } = keys;
    const wanted = { commonName: 'polyanthus:agent:1', organizations: [], publicKeyPem, ttlMs: 60_000 };
    certificatePem = await authority.issueClient(nowMs, wanted);
    const stranger = (await generateKey()).publicKeyPem;
    other = await authority.issueClient(nowMs, { ...wanted, publicKeyPem: stranger });
    hub = { hubId: 'hub', agentCaPems: [authority.certificatePem] };
    const agent = { hubId: 'hub', privateKey: createPrivateKey(keys.privateKeyPem), certificatePem };
    sign = (change = {}, atMs = nowMs) => signAgentProof(atMs, { ...agent, ...change });
    proof = sign();
  });

  it('stands for the certificate, and goes no further', () => {
    const { peer, headers } = withProvenCertificate(ctx, request(proof), hub);
    expect(Buffer.from(peer.certificate ?? [])).toEqual(Buffer.from(readCertificate(certificatePem).raw));
    expect(headers).toEqual({ accept: '*/*' });
  });

  it('is refused for another hub, another key, another time, an untrusted CA, beside another certificate', () => {
    const refused = (authorization: string, at = hub, certificate?: Uint8Array): string => {
      const { peer } = withProvenCertificate(ctx, request(authorization, certificate), at);
      expect(peer.certificate).toBeUndefined();
      return peer.refusedCertificate ?? '';
    };
    expect(refused(sign({ hubId: 'another' }))).toContain('it is for another hub');
    expect(refused(sign({ certificatePem: other }))).toContain('it is signed by another key');
    expect(refused(sign({}, nowMs - 3_600_000))).toContain('it is not of this time');
    expect(refused(sign({}, nowMs + 3_600_000))).toContain('it is not of this time');
    expect(refused(proof, { ...hub, agentCaPems: [] })).toContain('not trusted');
    expect(refused(proof, hub, readCertificate(other).raw)).toContain('another certificate');
  });

  it('leaves other tokens alone', () => {
    const plain = request('Bearer abc');
    expect(withProvenCertificate(ctx, plain, hub)).toBe(plain);
  });

  it('never proves anything once a byte of it is changed, and never throws', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 33, max: 126 }), (seed, code) => {
        const start = 'Bearer polyanthus-agent.'.length;
        const at = start + (seed % (proof.length - start));
        const changed = proof.slice(0, at) + String.fromCharCode(code) + proof.slice(at + 1);
        const { peer } = withProvenCertificate(ctx, request(changed), hub);
        // The last digit of base64 has bits that mean nothing.
        const same = Buffer.from(changed.slice(start), 'base64url').equals(
          Buffer.from(proof.slice(start), 'base64url'),
        );
        expect(
          peer.certificate === undefined || same || at === proof.indexOf('.', start) - 1 || at === proof.length - 1,
        ).toBe(true);
      }),
      { numRuns: 300, interruptAfterTimeLimit: 2000 },
    );
  });
});
