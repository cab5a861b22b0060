/** A sign-in that lasts: tokens in a file of mode 0600, refreshed before they end. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { makeDirectory, writeDurably } from '@polyanthus/ground-files/durable';
import { unverifiedClaims } from '@polyanthus/ground-pki/jwt';
import { fleetErrors } from './errors.ts';
import { askIssuer, discoverIssuer, reasonOf, tokensOf, type OidcClient, type OidcTokens } from './oidc-issuer.ts';

/** What the file holds; all of it secret. */
export interface OidcSession {
  readonly client: OidcClient;
  readonly tokens: OidcTokens;
}

/** A token is refreshed when it has less than this left. */
const earlyMs = 60_000;

/** The file of one context below `folder`. */
export function sessionFile(folder: string, kubeconfig: string, context: string): string {
  const name = createHash('sha256').update(`${kubeconfig}\0${context}`).digest('hex').slice(0, 32);
  return join(folder, 'sessions', `${name}.json`);
}

/** Keeps it. */
export async function writeSession(file: string, session: OidcSession): Promise<void> {
  await makeDirectory(dirname(file));
  await writeDurably(file, `${JSON.stringify(session)}\n`);
}

/** When the token ends, by its own words. */
export function expiryMs(token: string): number {
  return 1000 * (unverifiedClaims(token)?.exp ?? 0);
}

/** A token that is still good, refreshed when it must be. Throws OidcSessionOver when the person has to sign in again. */
export async function currentToken(ctx: Context, file: string): Promise<string> {
  const session = await readSession(file);
  const { client, tokens } = session;
  if (expiryMs(tokens.idToken) - ctx.clock.now() > earlyMs) return tokens.idToken;
  if (tokens.refreshToken === undefined)
    throw over(file, 'the token has ended, and the issuer gave none to refresh it with');
  const endpoints = await discoverIssuer(ctx, client);
  const fields = { grant_type: 'refresh_token', refresh_token: tokens.refreshToken };
  const answer = await askIssuer(ctx, client, endpoints.token, fields);
  if (typeof answer['error'] === 'string')
    throw over(file, `the issuer refused to refresh the token: ${reasonOf(answer)}`);
  const fresh = tokensOf(answer, tokens);
  await writeSession(file, { client, tokens: fresh });
  return fresh.idToken;
}

async function readSession(file: string): Promise<OidcSession> {
  try {
    const session = JSON.parse(await readFile(file, 'utf8')) as OidcSession;
    if (typeof session.tokens.idToken === 'string' && typeof session.client.issuer === 'string') return session;
  } catch (cause) {
    throw over(file, `${file} cannot be read`, cause);
  }
  throw over(file, `${file} is not a session`);
}

function over(file: string, why: string, cause?: unknown): Error {
  return fleetErrors.error('OidcSessionOver', `the sign-in of ${file} is over: ${why}`, { cause });
}
