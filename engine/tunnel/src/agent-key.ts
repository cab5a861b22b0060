/** The agent's key: its hash is its name, its signature the proof, its certificate the term. */
import { sign, verify, type KeyObject } from 'node:crypto';

/** Organization in the certificates that enrolment issues. */
export const agentOrganization = 'polyanthus:agents';

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
