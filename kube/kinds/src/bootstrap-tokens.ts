/** Bootstrap tokens as Secrets keep them (cluster-bootstrap/token/api). */
import type { Secret } from './core.ts';

/** Where bootstrap tokens are kept. */
export const bootstrapTokenNamespace = 'kube-system';
/** Their Secrets are named this and the token's id. */
export const bootstrapTokenPrefix = 'bootstrap-token-';
/** The type of their Secrets. */
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';

/** One value of a Secret, decoded; empty when it is not there. */
export function secretText({ data = {} }: Secret, key: string): string {
  return Buffer.from(data[key] ?? '', 'base64').toString();
}

/** When a token runs out, in milliseconds of wall time: Infinity for never, -Infinity for a time that cannot be read. */
export function tokenExpiryMs(secret: Secret): number {
  const text = secretText(secret, 'expiration');
  if (text === '') return Infinity;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? -Infinity : atMs;
}
