/** The agent's key: its hash as the name of the key, its signature as the proof, its certificate as the term. */
import { createHash, sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { tunnelErrors } from './errors.ts';

/** Organization in the certificates that enrolment issues. */
export const agentOrganization = 'polyanthus:agents';

/** SHA-256 (hex) of the key's SubjectPublicKeyInfo: what `Membership.status.agentKey` holds. */
export function keyHashOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** ECDSA and RSA keys sign with SHA-256, Ed25519 keys as they are; base64. */
export function signWith(privateKey: KeyObject, bytes: Uint8Array): string {
  return sign(digestOf(privateKey), bytes, privateKey).toString('base64');
}

/** Whether `signature` (base64) over `bytes` is by the key. */
export function signedBy(publicKey: KeyObject, bytes: Uint8Array, signature: string): boolean {
  return verify(digestOf(publicKey), bytes, publicKey, Buffer.from(signature, 'base64'));
}

function digestOf(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyType === 'ed448' ? null : 'sha256';
}

/** The key of a certificate that one of `caPems` issued and that is valid at `nowMs`. Errors: TunnelRefused. */
export function keyOfAgentCertificate(pem: string, caPems: readonly string[], nowMs: number): KeyObject {
  const certificate = readCertificate(pem);
  const issued = caPems
    .map((ca) => new X509Certificate(ca))
    .some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  if (!issued) throw refused("the agent's certificate is not from this hub's CA for agents");
  if (nowMs < certificate.validFromDate.getTime())
    throw refused(`the agent's certificate is valid from ${certificate.validFrom} on; compare the clocks`);
  if (nowMs > certificate.validToDate.getTime())
    throw refused(`the agent's certificate expired at ${certificate.validTo}`);
  return certificate.publicKey;
}

/** The key hash of a certificate that TLS has verified, DER. */
export function keyHashOfPeer(der: Uint8Array): string {
  return keyHashOf(new X509Certificate(der).publicKey);
}

/** When a certificate runs out, milliseconds since the epoch. */
export function expiryOf(pem: string): number {
  return readCertificate(pem).validToDate.getTime();
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw tunnelErrors.error('TunnelRefused', "the agent's certificate cannot be read", { cause });
  }
}

function refused(message: string): Error {
  return tunnelErrors.error('TunnelRefused', message);
}
