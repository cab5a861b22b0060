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
  /** Its extended key usage, if it has one, names client authentication or any use (RFC 5280 section 4.2.1.12). */
  readonly forClients: boolean;
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
  const names = alternativeNames(certificate.subjectAltName ?? '');
  const of = (prefix: string): readonly string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return {
    // The last one, as Go's crypto/x509 has it.
    commonName: subject.get('CN')?.at(-1) ?? '',
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
    forClients: isForClients(certificate),
  };
}

const clientUses: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.3.2', '2.5.29.37.0']);

function isForClients(certificate: X509Certificate): boolean {
  // Node's types say string[], but without the extension there is nothing.
  const uses = certificate.keyUsage as readonly string[] | undefined;
  return uses === undefined || uses.some((use) => clientUses.has(use));
}

/**
 * Node prints one set of attributes a line, ` + ` between those of one set, values escaped as in RFC 2253: `\,` for a
 * character, `\0A` for a byte. What stands unescaped therefore separates, whatever a value holds.
 */
function subjectOf(certificate: X509Certificate): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const attribute of certificate.subject.split(/\n| \+ /)) {
    const at = attribute.indexOf('=');
    if (at < 0) continue;
    const key = attribute.slice(0, at);
    found.set(key, [...(found.get(key) ?? []), unescape2253(attribute.slice(at + 1))]);
  }
  return found;
}

function unescape2253(value: string): string {
  return value.replaceAll(/\\([0-9A-F]{2}|[^])/g, (_all, escaped: string) =>
    escaped.length === 2 ? String.fromCharCode(Number.parseInt(escaped, 16)) : escaped,
  );
}

/** Node quotes an entry (as JSON) when it holds a comma or the like: a URI must not pass for a DNS name. */
function alternativeNames(text: string): readonly string[] {
  return [...text.matchAll(/(?:^|, )([^:,"]+:)("(?:[^"\\]|\\.)*"|[^,"]*)/g)].map(([, kind = '', value = '']) =>
    value.startsWith('"') ? kind + String(JSON.parse(value)) : kind + value,
  );
}

/**
 * Checks that one of the CAs issued the certificate and that both are valid at `nowMs`; there are no intermediates. Throws CertificateNotTrusted, whose
 * message has both times where a clock may be wrong.
 */
export function verifyCertificate(
  source: string | Uint8Array,
  caPems: readonly string[],
  nowMs: number,
): X509Certificate {
  const certificate = readCertificate(source);
  const issuers = caPems
    .flatMap(splitPem)
    .map(readCertificate)
    .filter((ca) => ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  const [issuer] = issuers;
  const named = oneLine(certificate.subject);
  if (issuer === undefined)
    throw notTrusted(`the certificate of ${named} is from ${oneLine(certificate.issuer)}, which is not trusted here`);
  const fault = timeFault(certificate, nowMs);
  if (fault !== undefined) throw notTrusted(`the certificate of ${named} ${fault}`);
  // After a renewal both may be trusted under one name: one that is valid is enough.
  if (issuers.every((ca) => timeFault(ca, nowMs) !== undefined))
    throw notTrusted(`the authority ${oneLine(issuer.subject)} of ${named} ${timeFault(issuer, nowMs)}`);
  return certificate;
}

const oneLine = (name: string): string => name.replaceAll('\n', ', ');

const notTrusted = (message: string): Error => pkiErrors.error('CertificateNotTrusted', message);

/** Both times, since either clock may be the wrong one. */
function timeFault({ validFromDate, validToDate }: X509Certificate, nowMs: number): string | undefined {
  const now = new Date(nowMs).toISOString();
  if (nowMs < validFromDate.getTime()) return `is valid from ${validFromDate.toISOString()}, and here it is ${now}`;
  if (nowMs > validToDate.getTime()) return `expired at ${validToDate.toISOString()}, and here it is ${now}`;
  return undefined;
}

/** Every certificate of a PEM bundle. */
export function splitPem(bundle: string): readonly string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
