import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralNames,
} from '@peculiar/x509';
import { systemRandom } from '@polyanthus/ground-base/random';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Authority } from './authority.ts';
import { parseCertificate, verifyCertificate } from './certificate.ts';

const nowMs = Date.UTC(2026, 0, 1);
const hour = 3_600_000;

/** What another authority's software may write: any subject, any alternative names, valid for longer than its CA. */
async function foreign(subject: string, names: JsonGeneralNames, authority: Authority): Promise<string> {
  const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify']);
  const der = createPrivateKey(authority.keyPem).export({ type: 'pkcs8', format: 'der' });
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: '01',
      subject,
      issuer: 'CN=old CA',
      notBefore: new Date(nowMs - 10 * hour),
      notAfter: new Date(nowMs + 10 * hour),
      publicKey: keys.publicKey,
      signingKey: await webcrypto.subtle.importKey('pkcs8', der, ec, true, ['sign']),
      signingAlgorithm: ec,
      extensions: [new BasicConstraintsExtension(false), new SubjectAlternativeNameExtension(names)],
    },
    webcrypto,
  );
  return certificate.toString('pem');
}

describe('a certificate from elsewhere', () => {
  let old: Authority;
  let renewed: Authority;
  beforeAll(async () => {
    const random = systemRandom;
    old = await createAuthority({ commonName: 'old CA', nowMs: nowMs - 5 * hour, random, ttlMs: hour });
    renewed = await createAuthority({ commonName: 'old CA', nowMs, random, ttlMs: hour });
  });

  it('is not trusted once its authority has expired, though it is valid itself', async () => {
    const pem = await foreign('CN=ana', [{ type: 'dns', value: 'a' }], old);
    expect(() => verifyCertificate(pem, [old.certificatePem], nowMs)).toThrow(
      /the authority CN=old CA of CN=ana expired at 2025-12-31T20:00:00.000Z, and here it is 2026-01-01T00:00:00.000Z/,
    );
    expect(verifyCertificate(pem, [old.certificatePem], nowMs - 5 * hour).subject).toBe('CN=ana');
    const other = await foreign('CN=ana', [{ type: 'dns', value: 'a' }], renewed);
    expect(verifyCertificate(other, [old.certificatePem, renewed.certificatePem], nowMs).subject).toBe('CN=ana');
  });

  it('has name and groups also when they stand in one set, and the last of several names', async () => {
    const names: JsonGeneralNames = [{ type: 'dns', value: 'a' }];
    const one = parseCertificate(await foreign('CN=ana+O=dev', names, old));
    expect([one.commonName, one.organizations]).toEqual(['ana', ['dev']]);
    const two = parseCertificate(await foreign('CN=first, CN=last', names, old));
    expect(two.commonName).toBe('last');
  });

  it('cannot pass text inside one alternative name for another', async () => {
    const uri = 'spiffe://x/a, DNS:evil.example.org, URI:spiffe://x/admin';
    const facts = parseCertificate(
      await foreign(
        'CN=x',
        [
          { type: 'url', value: uri },
          { type: 'dns', value: 'good.example.org' },
          { type: 'ip', value: 'fd00::1' },
        ],
        old,
      ),
    );
    expect(facts.uris).toEqual([uri]);
    expect(facts.dnsNames).toEqual(['good.example.org']);
    expect(facts.ips).toEqual(['FD00:0:0:0:0:0:0:1']);
  });
});
