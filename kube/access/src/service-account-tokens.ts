/** ServiceAccount tokens: issue for TokenRequest, verify, and who their bearer is (kube pkg/serviceaccount). */
import type { Context } from '@polyanthus/ground-base/context';
import { jwksOf, signJwt, unverifiedClaims, verifyJwt, type Claims } from '@polyanthus/ground-pki/jwt';
import { bearerToken, unauthorized, type Authenticator } from './authenticators.ts';
import type { UserInfo } from './user.ts';

/** An object that a token is bound to: the token dies with it. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
}

/** Whose token, for whom, how long. */
export interface TokenWish {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound?: BoundObject;
}

/** Keys of one cluster's issuer. Tokens are signed by `signingKeyPem` and accepted from every public key. */
export interface TokenIssuer {
  readonly issuer: string;
  readonly signingKeyPem: string;
  readonly publicKeyPems: readonly string[];
}

/** Bounds of expirationSeconds, as kube-apiserver has them. */
export const tokenSeconds = { min: 600, max: 2 ** 32, default: 3600 } as const;

/** `system:serviceaccount:NAMESPACE:NAME`. */
export function serviceAccountUsername(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/** A signed token. `id` is its jti. */
export async function issueToken(issuer: TokenIssuer, wish: TokenWish, nowMs: number, id: string): Promise<string> {
  const nowSeconds = Math.floor(nowMs / 1000);
  const bound =
    wish.bound === undefined ? {} : { [wish.bound.kind.toLowerCase()]: { name: wish.bound.name, uid: wish.bound.uid } };
  return signJwt(issuer.signingKeyPem, {
    iss: issuer.issuer,
    sub: serviceAccountUsername(wish.namespace, wish.name),
    aud: [...wish.audiences],
    exp: nowSeconds + wish.expirationSeconds,
    iat: nowSeconds,
    nbf: nowSeconds,
    jti: id,
    'kubernetes.io': { namespace: wish.namespace, serviceaccount: { name: wish.name, uid: wish.uid }, ...bound },
  });
}

/** What the `kubernetes.io` claim says. */
export interface ServiceAccountClaims {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly bound: BoundObject | undefined;
  readonly id: string | undefined;
}

/** Reads the claim of a verified token; undefined when it is none of a ServiceAccount. */
export function serviceAccountClaims(claims: Claims): ServiceAccountClaims | undefined {
  const own = claims['kubernetes.io'];
  if (!isRecord(own) || typeof own['namespace'] !== 'string') return undefined;
  const account = own['serviceaccount'];
  if (!isRecord(account) || typeof account['name'] !== 'string' || typeof account['uid'] !== 'string') return undefined;
  const bound = (['Pod', 'Secret', 'Node'] as const).flatMap((kind) => {
    const one = own[kind.toLowerCase()];
    return isRecord(one) && typeof one['name'] === 'string' && typeof one['uid'] === 'string'
      ? [{ kind, name: one['name'], uid: one['uid'] }]
      : [];
  });
  return { namespace: own['namespace'], name: account['name'], uid: account['uid'], bound: bound[0], id: claims.jti };
}

/** The user of a ServiceAccount, with its groups and the extra that ties it to token and pod. */
export function serviceAccountUser(claims: ServiceAccountClaims): UserInfo {
  const extra: Record<string, readonly string[]> =
    claims.id === undefined ? {} : { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.id}`] };
  if (claims.bound?.kind === 'Pod') {
    extra['authentication.kubernetes.io/pod-name'] = [claims.bound.name];
    extra['authentication.kubernetes.io/pod-uid'] = [claims.bound.uid];
  }
  return {
    username: serviceAccountUsername(claims.namespace, claims.name),
    uid: claims.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${claims.namespace}`],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

/** Whether account and bound object still exist with these uids. */
export type IsLive = (ctx: Context, claims: ServiceAccountClaims) => Promise<boolean>;

/** The user of a token for one of the audiences; undefined when another issuer made it. Throws Unauthorized. */
export async function verifyToken(
  ctx: Context,
  token: string,
  issuer: TokenIssuer,
  audiences: readonly string[],
  isLive: IsLive,
): Promise<UserInfo | undefined> {
  if (unverifiedClaims(token)?.iss !== issuer.issuer) return undefined;
  let claims: Claims;
  try {
    claims = await verifyJwt(token, await jwksOf(issuer.publicKeyPems), {
      issuer: issuer.issuer,
      audiences,
      nowMs: ctx.clock.now(),
    });
  } catch (cause) {
    throw unauthorized(cause);
  }
  const account = serviceAccountClaims(claims);
  if (account === undefined || !(await isLive(ctx, account))) throw unauthorized();
  return serviceAccountUser(account);
}

/** Bearer tokens of this cluster's ServiceAccounts. */
export function serviceAccountAuthenticator(
  issuer: TokenIssuer,
  audiences: readonly string[],
  isLive: IsLive,
): Authenticator {
  return async (ctx, { headers }) => {
    const token = bearerToken(headers);
    return token === undefined ? undefined : verifyToken(ctx, token, issuer, audiences, isLive);
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
