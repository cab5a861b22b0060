/**
 * OpenID Connect ID tokens (apiserver plugin/pkg/authenticator/token/oidc). Discovery and keys come through an injected
 * function; oidc-keys.ts says how often.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { unverifiedClaims, verifyJwt, type Claims } from '@polyanthus/ground-pki/jwt';
import { hasCode } from '@polyanthus/ground-base/errors';
import { bearerToken, unauthorized, type Authenticator } from './authenticators.ts';
import { createIssuerKeys } from './oidc-keys.ts';

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

/** Bearer tokens of the issuer. */
export function oidcAuthenticator(options: OidcOptions): Authenticator {
  const keys = createIssuerKeys(options);
  const verify = async (ctx: Context, token: string): Promise<Claims> => {
    const expected = { issuer: options.issuer, audiences: [options.clientId], nowMs: ctx.clock.now() };
    const known = await keys.current(ctx);
    try {
      return await verifyJwt(token, known, expected);
    } catch (error) {
      const newer = isOfUnknownKey(error) ? await keys.newerThan(ctx, known) : known;
      if (newer === known) throw error;
      return verifyJwt(token, newer, expected);
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

const keyFaults: ReadonlySet<string> = new Set(['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED']);

/** Only such a token may be good with newer keys; an expired one or one for somebody else never is. */
function isOfUnknownKey(error: unknown): boolean {
  return error instanceof Error && [...keyFaults].some((code) => hasCode(error.cause, code));
}

/** Groups of one token at most. */
const groupsMax = 2000;

function userOf(
  options: OidcOptions,
  claims: Claims,
): { readonly username: string; readonly groups: readonly string[] } {
  for (const [name, value] of Object.entries(options.requiredClaims ?? {})) {
    if (claims[name] !== value) throw new Error(`the token lacks the required claim ${name}`);
  }
  const name = claims[options.usernameClaim];
  if (typeof name !== 'string' || name === '') throw new Error(`the token has no claim ${options.usernameClaim}`);
  // Some issuers send the text "false": only a true one is verified, as kube-apiserver has it.
  if (options.usernameClaim === 'email' && Object.hasOwn(claims, 'email_verified') && claims['email_verified'] !== true)
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
