/** Key pairs as PEM: EC P-256 unless something else must understand them. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/** `rsa` is for issuers whose verifiers know nothing else (clouds). */
export type KeyKind = 'ec' | 'ed25519' | 'rsa';

/** A private key as PKCS #8 PEM, with its public part. The PEM is a secret: files with it have mode 0600. */
export interface KeyPair {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
}

/** Makes a key pair. */
export async function generateKey(kind: KeyKind = 'ec'): Promise<KeyPair> {
  const pair = await generatePair(kind);
  return {
    privateKeyPem: String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKeyPem: String(pair.publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

function generatePair(kind: KeyKind): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  if (kind === 'ec') return generate('ec', { namedCurve: 'P-256' });
  return kind === 'ed25519' ? generate('ed25519', undefined) : generate('rsa', { modulusLength: 2048 });
}

/** SHA-256 (hex) of the SubjectPublicKeyInfo of a public or private key: the name of a key. */
export function publicKeyHash(pem: string): string {
  const key = pem.includes('PRIVATE KEY') ? createPublicKey(createPrivateKey(pem)) : createPublicKey(pem);
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
