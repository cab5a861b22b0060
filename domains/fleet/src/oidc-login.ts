/** Two ways by which a person signs in to an issuer from a program: a device code, or a browser on this machine (PKCE). */
import { createHash } from 'node:crypto';
import { sleep, untilAborted, type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import { serve } from '@polyanthus/ground-http/node-server';
import { fleetErrors } from './errors.ts';
import {
  askIssuer,
  reasonOf,
  tokensOf,
  type IssuerEndpoints,
  type OidcClient,
  type OidcTokens,
} from './oidc-issuer.ts';

/** How a sign-in speaks with the person; `scope` is a list by spaces. */
export interface OidcLogin {
  readonly client: OidcClient;
  readonly endpoints: IssuerEndpoints;
  readonly scope: string;
  readonly random: Random;
  readonly tell: (text: string) => void;
}

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const defaultIntervalSeconds = 5;
const slowDownSeconds = 5;
const deviceSecondsMax = 1800;

/** Shows a code to enter on any device, and asks until the person has. Throws OidcFailed. */
export async function loginByDevice(ctx: Context, login: OidcLogin): Promise<OidcTokens> {
  const { client, endpoints, scope, tell } = login;
  if (endpoints.deviceAuthorization === undefined)
    throw fleetErrors.error('OidcFailed', `issuer ${client.issuer} has no device_authorization_endpoint`, {
      next: 'Use --oidc-flow=browser.',
    });
  const given = await askIssuer(ctx, client, endpoints.deviceAuthorization, { scope });
  const { device_code: code, user_code: userCode, verification_uri: uri, verification_uri_complete: whole } = given;
  if (typeof code !== 'string' || typeof userCode !== 'string' || typeof uri !== 'string')
    throw fleetErrors.error('OidcFailed', `the issuer gave no device code: ${reasonOf(given)}`);
  tell(`Open ${printable(typeof whole === 'string' ? whole : uri)} and enter the code ${printable(userCode)}\n`);
  const untilMs = ctx.clock.now() + 1000 * seconds(given['expires_in'], deviceSecondsMax);
  let interval = seconds(given['interval'], defaultIntervalSeconds);
  while (ctx.clock.now() < untilMs) {
    await sleep(ctx, interval * 1000);
    const answer = await askIssuer(ctx, client, endpoints.token, { grant_type: deviceGrant, device_code: code });
    if (answer['error'] === 'slow_down') interval += slowDownSeconds;
    else if (answer['error'] !== 'authorization_pending') return tokensOf(answer);
  }
  throw fleetErrors.error('OidcFailed', 'the code was not entered in time');
}

function seconds(value: unknown, otherwise: number): number {
  return typeof value === 'number' && value >= 0 && value <= deviceSecondsMax ? value : otherwise;
}

/** Lets a browser on this machine come back to a port of loopback with the code. Throws OidcFailed. */
export async function loginByBrowser(ctx: Context, login: OidcLogin): Promise<OidcTokens> {
  const { client, endpoints, scope, random, tell } = login;
  if (endpoints.authorization === undefined)
    throw fleetErrors.error('OidcFailed', `issuer ${client.issuer} has no authorization_endpoint`, {
      next: 'Use --oidc-flow=device.',
    });
  const word = (): string => Buffer.from(random.bytes(32)).toString('base64url');
  const [state, verifier] = [word(), word()];
  const came = Promise.withResolvers<URLSearchParams>();
  const server = await serve(ctx, { handler: callback(state, came.resolve), listen: { host: '127.0.0.1', port: 0 } });
  try {
    const redirectUri = `http://127.0.0.1:${server.port}/callback`;
    const url = new URL(endpoints.authorization);
    const query = {
      response_type: 'code',
      client_id: client.clientId,
      redirect_uri: redirectUri,
      scope,
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    tell(`Open ${url.href}\n`);
    const answer = await untilAborted(ctx, came.promise);
    const code = answer.get('code');
    if (code === null)
      throw fleetErrors.error('OidcFailed', `the issuer refused: ${reasonOf(Object.fromEntries(answer))}`);
    const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier };
    return tokensOf(await askIssuer(ctx, client, endpoints.token, fields));
  } finally {
    await server.close(0);
  }
}

/** Only the answer that carries our `state` counts: any page that the person has open can call a port of loopback. */
function callback(state: string, take: (answer: URLSearchParams) => void): Handler {
  return async (_ctx, request) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    const ours = request.method === 'GET' && url.pathname === '/callback' && url.searchParams.get('state') === state;
    if (ours) take(url.searchParams);
    const text = ours ? 'You are signed in; this window can be closed.\n' : 'not found\n';
    return {
      status: ours ? 200 : 404,
      headers: { 'content-type': 'text/plain', connection: 'close' },
      body: new TextEncoder().encode(text),
    };
  };
}

/** What an issuer sends goes to a terminal without control characters. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 2000);
}
