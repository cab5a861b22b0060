/** Reading and checking certificates with Node's own X.509: fast, nothing else is loaded. */
import { createHash, X509Certificate } from 'node:crypto';
import { pkiErrors } from './errors.ts';

/** What is read of a certificate; times are milliseconds since the epoch. */
export interface CertificateFacts {
  readonly commonName: string;
  /** In the order of the subject. */
  readonly organizations: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  readonly uris: readonly string[];
  /** SHA-256 (hex) of the SubjectPublicKeyInfo. */
  readonly publicKeyHash: string;
  readonly serial: string;
  readonly isCa: boolean;
}

/** PEM or DER to Node's object. Throws CertificateUnreadable. */
export function readCertificate(source: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(typeof source === 'string' ? source : Buffer.from(source));
  } catch (cause) {
    throw pkiErrors.error('CertificateUnreadable', 'the certificate cannot be read', { cause });
  }
}

/** The facts of a certificate. Throws CertificateUnreadable. */
export function parseCertificate(source: string | Uint8Array): CertificateFacts {
  const certificate = readCertificate(source);
  const subject = subjectOf(certificate);
  const names = (certificate.subjectAltName ?? '').split(', ');
  const of = (prefix: string): readonly string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return {
    commonName: subject.get('CN')?.[0] ?? '',
    organizations: subject.get('O') ?? [],
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    dnsNames: of('DNS:'),
    ips: of('IP Address:'),
    uris: of('URI:'),
    publicKeyHash: createHash('sha256')
      .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    serial: certificate.serialNumber,
    isCa: certificate.ca,
  };
}

/** Node prints one attribute a line, `KEY=value`; values with line breaks are escaped by it. */
function subjectOf(certificate: X509Certificate): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of certificate.subject.split('\n')) {
    const at = line.indexOf('=');
    if (at < 0) continue;
    const key = line.slice(0, at);
    found.set(key, [...(found.get(key) ?? []), line.slice(at + 1)]);
  }
  return found;
}

/**
 * Checks that one of the CAs issued the certificate and that it is valid at `nowMs`. Throws CertificateNotTrusted, whose
 * message has both times where a clock may be wrong.
 */
export function verifyCertificate(
  source: string | Uint8Array,
  caPems: readonly string[],
  nowMs: number,
): X509Certificate {
  const certificate = readCertificate(source);
  const issued = caPems
    .flatMap(splitPem)
    .map(readCertificate)
    .some((ca) => ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  const named = certificate.subject.replaceAll('\n', ', ');
  if (!issued)
    throw pkiErrors.error(
      'CertificateNotTrusted',
      `the certificate of ${named} is from ${certificate.issuer.replaceAll('\n', ', ')}, which is not trusted here`,
    );
  const now = new Date(nowMs).toISOString();
  if (nowMs < certificate.validFromDate.getTime())
    throw pkiErrors.error(
      'CertificateNotTrusted',
      `the certificate of ${named} is valid from ${certificate.validFromDate.toISOString()}, and here it is ${now}`,
    );
  if (nowMs > certificate.validToDate.getTime())
    throw pkiErrors.error(
      'CertificateNotTrusted',
      `the certificate of ${named} expired at ${certificate.validToDate.toISOString()}, and here it is ${now}`,
    );
  return certificate;
}

/** Every certificate of a PEM bundle. */
export function splitPem(bundle: string): readonly string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
