/**
 * OpenID Connect ID tokens (apiserver plugin/pkg/authenticator/token/oidc). Discovery and keys come through an injected
 * function; keys are fetched again at most once a minute when a token names an unknown one.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { unverifiedClaims, verifyJwt, type Claims } from '@polyanthus/ground-pki/jwt';
import { bearerToken, unauthorized, type Authenticator } from './authenticators.ts';

/** One trusted issuer. Names with the prefix `system:` are refused, with any prefix that the options add. */
export interface OidcOptions {
  /** https URL, compared to the letter. */
  readonly issuer: string;
  readonly clientId: string;
  /** `sub` by default; `email` needs email_verified. */
  readonly usernameClaim: string;
  readonly usernamePrefix: string;
  readonly groupsClaim?: string;
  readonly groupsPrefix: string;
  readonly requiredClaims?: Readonly<Record<string, string>>;
  /** GET of a JSON document; bounded by the caller's transport. */
  readonly fetchJson: (ctx: Context, url: string) => Promise<unknown>;
}

type KeySet = Parameters<typeof verifyJwt>[1];

const refetchMs = 60_000;
/** Groups of one token at most. */
const groupsMax = 2000;

/** Bearer tokens of the issuer. */
export function oidcAuthenticator(options: OidcOptions): Authenticator {
  let keys: KeySet | undefined;
  let fetchedMs = -Infinity;
  const refresh = async (ctx: Context): Promise<void> => {
    if (ctx.clock.monotonic() - fetchedMs < refetchMs) return;
    fetchedMs = ctx.clock.monotonic();
    const discovery = (await options.fetchJson(
      ctx,
      `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    )) as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
    if (discovery.issuer !== options.issuer || typeof discovery.jwks_uri !== 'string')
      throw new Error(`the discovery document of ${options.issuer} names another issuer or no jwks_uri`);
    keys = (await options.fetchJson(ctx, discovery.jwks_uri)) as KeySet;
  };
  const verify = async (ctx: Context, token: string): Promise<Claims> => {
    const expected = { issuer: options.issuer, audiences: [options.clientId], nowMs: ctx.clock.now() };
    if (keys === undefined) await refresh(ctx);
    try {
      return await verifyJwt(token, keys ?? { keys: [] }, expected);
    } catch {
      await refresh(ctx);
      return verifyJwt(token, keys ?? { keys: [] }, expected);
    }
  };
  return async (ctx, { headers }) => {
    const token = bearerToken(headers);
    if (token === undefined || unverifiedClaims(token)?.iss !== options.issuer) return undefined;
    try {
      return userOf(options, await verify(ctx, token));
    } catch (cause) {
      throw unauthorized(cause);
    }
  };
}

function userOf(
  options: OidcOptions,
  claims: Claims,
): { readonly username: string; readonly groups: readonly string[] } {
  for (const [name, value] of Object.entries(options.requiredClaims ?? {})) {
    if (claims[name] !== value) throw new Error(`the token lacks the required claim ${name}`);
  }
  const name = claims[options.usernameClaim];
  if (typeof name !== 'string' || name === '') throw new Error(`the token has no claim ${options.usernameClaim}`);
  if (options.usernameClaim === 'email' && claims['email_verified'] === false)
    throw new Error('the email address of the token is not verified');
  const listed = options.groupsClaim === undefined ? [] : claims[options.groupsClaim];
  const groups = (Array.isArray(listed) ? listed : listed === undefined ? [] : [listed]).filter(
    (group): group is string => typeof group === 'string',
  );
  if (groups.length > groupsMax) throw new Error(`the token has more than ${groupsMax} groups`);
  const username = `${options.usernamePrefix}${name}`;
  const prefixed = groups.map((group) => `${options.groupsPrefix}${group}`);
  // An issuer from outside must never speak for the cluster's own identities.
  const reserved = [username, ...prefixed].find((one) => one.startsWith('system:'));
  if (reserved !== undefined) throw new Error(`the token claims the reserved name ${JSON.stringify(reserved)}`);
  return { username, groups: prefixed };
}
