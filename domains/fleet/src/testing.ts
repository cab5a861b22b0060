/** Fixtures: a small OpenID Connect issuer on a port of its own. */
import { createHash } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import type { Handler, ServerResponse } from '@polyanthus/ground-http/message';
import { serve } from '@polyanthus/ground-http/node-server';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { jwksOf, signJwt } from '@polyanthus/ground-pki/jwt';
import { generateKey } from '@polyanthus/ground-pki/keys';

/** What the next sign-in gives. */
export interface TestSignIn {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly lifetimeSeconds: number;
}

/** A running issuer. Every sign-in is of `user`; a device code is pending once, then approved. */
export interface TestIssuer {
  readonly url: string;
  readonly caPem: string;
  user: TestSignIn;
  /** Whether refresh tokens are still taken. */
  refreshable: boolean;
  /** How often each grant was answered with tokens. */
  readonly granted: Map<string, number>;
  close(): Promise<void>;
}

const clientId = 'polyanthus';
const codeOf = { device: 'device-code', user: 'WXYZ-1234', authorization: 'authorization-code', refresh: 'refresh-1' };

/** Starts it on loopback. */
export async function startTestIssuer(ctx: Context, user: TestSignIn): Promise<TestIssuer> {
  const nowMs = ctx.clock.now();
  const authority = await createAuthority({ commonName: 'test issuer', nowMs, random: systemRandom });
  const [serverKey, signingKey] = await Promise.all([generateKey(), generateKey()]);
  const cert = await authority.issueServer(nowMs, {
    names: ['localhost'],
    ips: ['127.0.0.1'],
    publicKeyPem: serverKey.publicKeyPem,
    ttlMs: 3_600_000,
  });
  let pending = true;
  let challenge = '';
  const tokens = async (grant: string): Promise<ServerResponse> => {
    issuer.granted.set(grant, (issuer.granted.get(grant) ?? 0) + 1);
    const iat = Math.floor(ctx.clock.now() / 1000);
    const claims = {
      iss: issuer.url,
      aud: clientId,
      iat,
      exp: iat + issuer.user.lifetimeSeconds,
      ...issuer.user.claims,
    };
    const idToken = await signJwt(signingKey.privateKeyPem, claims);
    return json(200, { id_token: idToken, refresh_token: codeOf.refresh, token_type: 'Bearer' });
  };
  const grants: Readonly<Record<string, (form: URLSearchParams) => Promise<ServerResponse> | ServerResponse>> = {
    'urn:ietf:params:oauth:grant-type:device_code': (form) => {
      if (form.get('device_code') !== codeOf.device) return json(400, { error: 'invalid_grant' });
      if (!pending) return tokens('device');
      pending = false;
      return json(400, { error: 'authorization_pending' });
    },
    authorization_code: (form) => {
      const proof = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      const good = form.get('code') === codeOf.authorization && proof === challenge;
      return good ? tokens('browser') : json(400, { error: 'invalid_grant' });
    },
    refresh_token: (form) =>
      issuer.refreshable && form.get('refresh_token') === codeOf.refresh
        ? tokens('refresh')
        : json(400, { error: 'invalid_grant', error_description: 'the session was ended' }),
  };
  const handler: Handler = async (_ctx, request) => {
    const url = new URL(request.url, issuer.url);
    if (url.pathname === '/.well-known/openid-configuration') return json(200, discovery(issuer.url));
    if (url.pathname === '/keys') return json(200, await jwksOf([signingKey.publicKeyPem]));
    if (url.pathname === '/authorize') {
      challenge = url.searchParams.get('code_challenge') ?? '';
      const back = new URL(url.searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      back.searchParams.set('code', codeOf.authorization);
      return { status: 302, headers: { location: back.href }, body: null };
    }
    const form = new URLSearchParams(Buffer.from(await readBody(request.body, 65_536)).toString('utf8'));
    if (form.get('client_id') !== clientId) return json(401, { error: 'invalid_client' });
    if (url.pathname === '/device') {
      pending = true;
      const more = { verification_uri: `${issuer.url}/enter`, interval: 0, expires_in: 60 };
      return json(200, { device_code: codeOf.device, user_code: codeOf.user, ...more });
    }
    const grant = grants[form.get('grant_type') ?? ''];
    return url.pathname === '/token' && grant !== undefined ? grant(form) : json(400, { error: 'invalid_request' });
  };
  const server = await serve(ctx, {
    handler,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { cert, key: serverKey.privateKeyPem },
  });
  const issuer: TestIssuer = {
    url: `https://127.0.0.1:${server.port}`,
    caPem: authority.certificatePem,
    user,
    refreshable: true,
    granted: new Map(),
    close: () => server.close(0),
  };
  return issuer;
}

function discovery(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/keys`,
    token_endpoint: `${issuer}/token`,
    authorization_endpoint: `${issuer}/authorize`,
    device_authorization_endpoint: `${issuer}/device`,
  };
}

function json(status: number, value: object): ServerResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(value)),
  };
}
