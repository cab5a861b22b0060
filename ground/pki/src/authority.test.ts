import { systemRandom } from '@polyanthus/ground-base/random';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, createCsr, loadAuthority, readCsr, type Authority } from './authority.ts';
import { parseCertificate, readCertificate, verifyCertificate } from './certificate.ts';
import { jwksOf, signJwt, unverifiedClaims, verifyJwt } from './jwt.ts';
import { generateKey, publicKeyHash } from './keys.ts';

const nowMs = Date.UTC(2026, 0, 1);
const hour = 3_600_000;

describe('an authority', () => {
  let authority: Authority;
  let other: Authority;
  beforeAll(async () => {
    authority = await createAuthority({ commonName: 'test CA', nowMs, random: systemRandom });
    other = await createAuthority({ commonName: 'test CA', nowMs, random: systemRandom });
  });

  it('issues client certificates that name the user and the groups in order', async () => {
    const { publicKeyPem } = await generateKey();
    const pem = await authority.issueClient(nowMs, {
      commonName: 'ana',
      organizations: ['b', 'a'],
      publicKeyPem,
      ttlMs: hour,
    });
    expect(parseCertificate(pem)).toMatchObject({
      commonName: 'ana',
      organizations: ['b', 'a'],
      notAfterMs: nowMs + hour,
      publicKeyHash: publicKeyHash(publicKeyPem),
      isCa: false,
    });
    expect(verifyCertificate(pem, [authority.certificatePem], nowMs).subject).toContain('ana');
  });

  it('writes names to the letter and reads them back, whatever they hold', async () => {
    const { publicKeyPem } = await generateKey();
    const read = async (commonName: string, organizations: readonly string[]) =>
      parseCertificate(await authority.issueClient(nowMs, { commonName, organizations, publicKeyPem, ttlMs: hour }));
    // As DER these would be `root` and `system:masters`.
    const der = await read('#0c04726f6f74', ['#0c0e73797374656d3a6d617374657273']);
    expect(der).toMatchObject({ commonName: '#0c04726f6f74', organizations: ['#0c0e73797374656d3a6d617374657273'] });
    const line = await read('a\nO=system:masters', ['b + O=system:masters']);
    expect(line).toMatchObject({ commonName: 'a\nO=system:masters', organizations: ['b + O=system:masters'] });
    const text = fc.string({
      minLength: 1,
      maxLength: 12,
      unit: fc.constantFrom('a', ' ', '#', '+', ',', ';', '"', '\\', '<', '=', '/', 'ü', '\n'),
    });
    await fc.assert(
      fc.asyncProperty(text, text, async (name, group) => {
        expect(await read(name, [group])).toMatchObject({ commonName: name, organizations: [group] });
      }),
      { numRuns: 60, interruptAfterTimeLimit: 2000 },
    );
  });

  it('says what a certificate is for', async () => {
    const { publicKeyPem } = await generateKey();
    const server = { names: ['a'], ips: [], publicKeyPem, ttlMs: hour };
    expect(parseCertificate(await authority.issueServer(nowMs, server)).forClients).toBe(false);
    expect(parseCertificate(await authority.issueServer(nowMs, { ...server, client: true })).forClients).toBe(true);
    const replica = await authority.issueServer(nowMs, { ...server, organizations: ['hubs'] });
    expect(parseCertificate(replica).organizations).toEqual(['hubs']);
    expect(parseCertificate(authority.certificatePem).forClients).toBe(true);
  });

  it('issues server certificates with names and addresses, for every kind of key', async () => {
    for (const kind of ['ec', 'rsa', 'ed25519'] as const) {
      const { publicKeyPem } = await generateKey(kind);
      const pem = await authority.issueServer(nowMs, {
        names: ['hub.example.org', 'localhost'],
        ips: ['127.0.0.1', '::1'],
        publicKeyPem,
        ttlMs: hour,
      });
      const facts = parseCertificate(pem);
      expect(facts.dnsNames).toEqual(['hub.example.org', 'localhost']);
      expect(facts.ips).toEqual(['127.0.0.1', '0:0:0:0:0:0:0:1']);
      expect(readCertificate(pem).checkHost('hub.example.org')).toBe('hub.example.org');
    }
  });

  it('is the same after it was saved and loaded', async () => {
    const { publicKeyPem } = await generateKey();
    const loaded = loadAuthority({ certificatePem: authority.certificatePem, keyPem: authority.keyPem }, systemRandom);
    const pem = await loaded.issueClient(nowMs, { commonName: 'x', organizations: [], publicKeyPem, ttlMs: hour });
    expect(() => verifyCertificate(pem, [authority.certificatePem], nowMs)).not.toThrow();
  });

  it('is not confused with another of the same name, nor are wrong times accepted; the message has both times', async () => {
    const { publicKeyPem } = await generateKey();
    const pem = await authority.issueClient(nowMs, { commonName: 'x', organizations: [], publicKeyPem, ttlMs: hour });
    expect(() => verifyCertificate(pem, [other.certificatePem], nowMs)).toThrow(/not trusted/);
    expect(() => verifyCertificate(pem, [authority.certificatePem], nowMs + 2 * hour)).toThrow(
      /expired at 2026-01-01T01:00:00.000Z, and here it is 2026-01-01T02:00:00.000Z/,
    );
    expect(() => verifyCertificate(pem, [authority.certificatePem], nowMs - 2 * hour)).toThrow(/valid from/);
    expect(() => verifyCertificate(pem, [pem], nowMs)).toThrow(/not trusted/);
  });

  it('reads a request only when its sender holds the key', async () => {
    const pair = await generateKey();
    const csr = await createCsr(pair, 'agent');
    expect(await readCsr(csr)).toMatchObject({ commonName: 'agent' });
    expect(publicKeyHash((await readCsr(csr)).publicKeyPem)).toBe(publicKeyHash(pair.publicKeyPem));
    const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
    const broken = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    await expect(readCsr(broken)).rejects.toMatchObject({ code: 'CsrInvalid' });
  });

  it('survives any text in place of a certificate or a request', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.uint8Array({ maxLength: 300 })), async (source) => {
        expect(() => parseCertificate(source)).toThrow(/cannot be read/);
        await expect(readCsr(String(source))).rejects.toMatchObject({ code: 'CsrInvalid' });
      }),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});

describe('a token', () => {
  const claims = { iss: 'https://hub', aud: ['a'], sub: 's', exp: nowMs / 1000 + 60 };
  const expected = { issuer: 'https://hub', audiences: ['a', 'b'], nowMs };

  it('is accepted with the right key, issuer, audience and time, and refused otherwise', async () => {
    for (const kind of ['ec', 'rsa'] as const) {
      const pair = await generateKey(kind);
      const jwks = await jwksOf([pair.publicKeyPem]);
      const token = await signJwt(pair.privateKeyPem, claims);
      expect(await verifyJwt(token, jwks, expected)).toMatchObject({ sub: 's' });
      const refused = { code: 'JwtInvalid' };
      await expect(verifyJwt(token, jwks, { ...expected, issuer: 'https://other' })).rejects.toMatchObject(refused);
      await expect(verifyJwt(token, jwks, { ...expected, audiences: ['c'] })).rejects.toMatchObject(refused);
      await expect(verifyJwt(token, jwks, { ...expected, nowMs: nowMs + hour })).rejects.toMatchObject(refused);
      await expect(
        verifyJwt(token, await jwksOf([(await generateKey(kind)).publicKeyPem]), expected),
      ).rejects.toMatchObject(refused);
      await expect(
        verifyJwt(await signJwt(pair.privateKeyPem, { iss: 'https://hub', aud: 'a' }), jwks, expected),
      ).rejects.toMatchObject(refused);
    }
  });

  it('without a signature is never accepted, and any text is refused', async () => {
    const jwks = await jwksOf([(await generateKey()).publicKeyPem]);
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    await expect(verifyJwt(`${part({ alg: 'none' })}.${part(claims)}.`, jwks, expected)).rejects.toMatchObject({
      code: 'JwtInvalid',
    });
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async (text) => {
        await expect(verifyJwt(text, jwks, expected)).rejects.toMatchObject({ code: 'JwtInvalid' });
        expect(unverifiedClaims(text)).toBeUndefined();
      }),
      { numRuns: 50, interruptAfterTimeLimit: 2000 },
    );
  });
});
