/** What a client asks an OpenID Connect issuer: discovery, device codes, tokens (OIDC Core, RFC 6749, 7636, 8628). */
import type { Context } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { fleetErrors } from './errors.ts';

/** Which issuer, and as whom; `clientSecret` only where the issuer wants one of programs, too. */
export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** PEM; empty for the machine's own CAs. */
  readonly caPem: string;
}

/** Endpoints of the discovery document. */
export interface IssuerEndpoints {
  readonly token: string;
  readonly authorization: string | undefined;
  readonly deviceAuthorization: string | undefined;
}

/** Tokens of one answer; secret. */
export interface OidcTokens {
  readonly idToken: string;
  readonly refreshToken?: string;
}

const answerBytesMax = 256 * 1024;

/** Asks where the issuer's endpoints are. Throws OidcFailed. */
export async function discoverIssuer(ctx: Context, client: OidcClient): Promise<IssuerEndpoints> {
  const url = `${client.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { status, body } = await call(ctx, client, url, undefined);
  const endpoint = (name: string): string | undefined => {
    const value = body[name];
    return typeof value === 'string' && URL.canParse(value) && new URL(value).protocol === 'https:' ? value : undefined;
  };
  const token = endpoint('token_endpoint');
  if (status !== 200 || token === undefined || body['issuer'] !== client.issuer)
    throw fleetErrors.error(
      'OidcFailed',
      `${url} answered ${status} without an https token_endpoint of issuer ${client.issuer}`,
    );
  return {
    token,
    authorization: endpoint('authorization_endpoint'),
    deviceAuthorization: endpoint('device_authorization_endpoint'),
  };
}

/** One POST of a form; answers of 400 carry `error` and are the caller's to read. Throws OidcFailed for all others. */
export async function askIssuer(
  ctx: Context,
  client: OidcClient,
  url: string,
  fields: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, unknown>>> {
  const secret = client.clientSecret === undefined ? {} : { client_secret: client.clientSecret };
  const form = new URLSearchParams({ client_id: client.clientId, ...secret, ...fields });
  const { status, body } = await call(ctx, client, url, form);
  if (status === 200 || (status >= 400 && status < 500 && typeof body['error'] === 'string')) return body;
  throw fleetErrors.error('OidcFailed', `${url} answered ${status}`);
}

/** The tokens of an answer. Throws OidcFailed with the issuer's own reason. */
export function tokensOf(answer: Readonly<Record<string, unknown>>, before?: OidcTokens): OidcTokens {
  const { id_token: idToken, refresh_token: refreshToken = before?.refreshToken } = answer;
  if (typeof idToken !== 'string')
    throw fleetErrors.error('OidcFailed', `the issuer gave no ID token: ${reasonOf(answer)}`);
  return { idToken, ...(typeof refreshToken === 'string' ? { refreshToken } : {}) };
}

/** The issuer's words for a refusal. */
export function reasonOf({ error, error_description: text }: Readonly<Record<string, unknown>>): string {
  return [error, text].filter((one) => typeof one === 'string').join(': ') || 'it says no reason';
}

async function call(
  ctx: Context,
  client: OidcClient,
  url: string,
  form: URLSearchParams | undefined,
): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  const { origin, pathname, search } = new URL(url);
  const transport = createTransport({ baseUrl: origin, tls: client.caPem === '' ? {} : { ca: client.caPem } });
  try {
    const response = await transport.request(ctx, {
      method: form === undefined ? 'GET' : 'POST',
      url: pathname + search,
      headers: {
        accept: 'application/json',
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: form === undefined ? null : new TextEncoder().encode(form.toString()),
    });
    const text = Buffer.from(await readBody(response.body, answerBytesMax)).toString('utf8');
    return { status: response.status, body: objectOf(text) };
  } finally {
    await transport.close();
  }
}

/** Empty when it is no JSON object: an issuer's error page. */
function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
