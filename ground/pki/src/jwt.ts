/** JSON Web Tokens and key sets by `jose`, with an allow-list of algorithms: `none` and shared secrets never pass. */
import { createPublicKey } from 'node:crypto';
import {
  createLocalJWKSet,
  decodeJwt,
  exportJWK,
  importPKCS8,
  jwtVerify,
  SignJWT,
  type JSONWebKeySet,
  type JWTPayload,
} from 'jose';
import { pkiErrors } from './errors.ts';
import { publicKeyHash } from './keys.ts';

/** Signature algorithms that are accepted. */
export const jwtAlgorithms: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
];

/** Bytes of a token at most. */
const tokenBytesMax = 16 * 1024;

/** Claims of a token. */
export type Claims = Readonly<JWTPayload>;

/** Signs claims with an EC P-256 or RSA key (PKCS #8 PEM); the key id is the hash of the key. */
export async function signJwt(privateKeyPem: string, claims: Claims): Promise<string> {
  const algorithm = algorithmOf(privateKeyPem);
  const key = await importPKCS8(privateKeyPem, algorithm);
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, kid: publicKeyHash(privateKeyPem) }).sign(key);
}

function algorithmOf(pem: string): string {
  const type = createPublicKey(pem).asymmetricKeyType;
  return type === 'rsa' ? 'RS256' : type === 'ed25519' ? 'EdDSA' : 'ES256';
}

/** The key set of public keys (PEM), as issuers publish it. */
export async function jwksOf(publicKeyPems: readonly string[]): Promise<JSONWebKeySet> {
  const keys = await Promise.all(
    publicKeyPems.map(async (pem) => ({
      ...(await exportJWK(createPublicKey(pem))),
      kid: publicKeyHash(pem),
      use: 'sig',
      alg: algorithmOf(pem),
    })),
  );
  return { keys };
}

/** What a token must satisfy. `audiences`: at least one of them. */
export interface JwtExpectations {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly nowMs: number;
  /** Seconds by which clocks may differ; 30. */
  readonly skewSeconds?: number;
}

/** Verifies signature, issuer, audience and times. Throws JwtInvalid with the reason. */
export async function verifyJwt(token: string, jwks: JSONWebKeySet, expected: JwtExpectations): Promise<Claims> {
  if (token.length > tokenBytesMax)
    throw pkiErrors.error('JwtInvalid', `the token is longer than ${tokenBytesMax} bytes`);
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), {
      algorithms: [...jwtAlgorithms],
      issuer: expected.issuer,
      audience: [...expected.audiences],
      currentDate: new Date(expected.nowMs),
      clockTolerance: expected.skewSeconds ?? 30,
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (cause) {
    throw pkiErrors.error('JwtInvalid', `the token of issuer ${expected.issuer} is not accepted`, { cause });
  }
}

/** The claims without any check: to choose who shall verify. Undefined when it is no token. */
export function unverifiedClaims(token: string): Claims | undefined {
  if (token.length > tokenBytesMax) return undefined;
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}
