/**
 * Who asks. An authenticator answers a user, nothing when the request shows no credential of its kind, or throws
 * Unauthorized when it shows one that is not good; a union asks each in turn (apiserver authentication/request/union).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { fromHeaderText, header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues, Peer } from '@polyanthus/ground-http/message';
import { parseCertificate, verifyCertificate } from '@polyanthus/ground-pki/certificate';
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import { anonymous, type UserInfo } from './user.ts';

/** The parts of a request that carry credentials. */
export interface Credentials {
  readonly headers: HeaderValues;
  readonly peer: Peer;
}

/** See the file's comment. */
export type Authenticator = (ctx: Context, request: Credentials) => Promise<UserInfo | undefined>;

/** The 401 that says no more than it must. */
export function unauthorized(cause?: unknown): StatusError {
  const error = statusError('Unauthorized', 'Unauthorized');
  if (cause !== undefined) error.cause = cause;
  return error;
}

/**
 * Asks all in order; the first user wins, and gets the group `system:authenticated`. Without any credential the request is
 * anonymous when `allowAnonymous`, else 401. A credential that no authenticator accepts is 401, never anonymous.
 */
export function union(
  authenticators: readonly Authenticator[],
  allowAnonymous: boolean,
): (ctx: Context, request: Credentials) => Promise<UserInfo> {
  return async (ctx, request) => {
    let failure: unknown;
    for (const authenticate of authenticators) {
      try {
        const user = await authenticate(ctx, request);
        if (user !== undefined) return withAuthenticated(user);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined || header(request.headers, 'authorization') !== undefined) throw unauthorized(failure);
    if (!allowAnonymous) throw unauthorized();
    return anonymous;
  };
}

function withAuthenticated(user: UserInfo): UserInfo {
  if (user.groups.includes('system:authenticated') || user.groups.includes('system:unauthenticated')) return user;
  return { ...user, groups: [...user.groups, 'system:authenticated'] };
}

/** The bearer token of a request, if any. */
export function bearerToken(headers: HeaderValues): string | undefined {
  const match = /^bearer +(\S+)$/i.exec(header(headers, 'authorization') ?? '');
  return match?.[1];
}

/** A client certificate that TLS verified is checked again, since the CAs may have changed while the connection lived. */
export function clientCertificateAuthenticator(caPems: () => readonly string[]): Authenticator {
  return async (ctx, { peer }) => {
    if (peer.refusedCertificate !== undefined)
      throw unauthorized(new Error(`the client certificate is not good: ${peer.refusedCertificate}`));
    if (peer.certificate === undefined) return undefined;
    try {
      verifyCertificate(peer.certificate, caPems(), ctx.clock.now());
    } catch (cause) {
      throw unauthorized(cause);
    }
    const { commonName, organizations, forClients } = parseCertificate(peer.certificate);
    // A server's certificate of the same CA names a host, not a user.
    if (!forClients) throw unauthorized(new Error(`the certificate of ${commonName} is not for client authentication`));
    return commonName === '' ? undefined : { username: commonName, groups: organizations };
  };
}

/** Tokens known in advance; compared by hash and in constant time. */
export function staticTokenAuthenticator(
  tokens: readonly { readonly token: string; readonly user: UserInfo }[],
): Authenticator {
  const known = tokens.map((one) => ({ hash: sha256(one.token), user: one.user }));
  return async (_ctx, { headers }) => {
    const token = bearerToken(headers);
    if (token === undefined) return undefined;
    const hash = sha256(token);
    return known.reduce<UserInfo | undefined>(
      (found, one) => (timingSafeEqual(one.hash, hash) ? one.user : found),
      undefined,
    );
  };
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * `X-Remote-*` of a front proxy. Only for a listener that nobody but that proxy can reach (a unix socket of mode 0600);
 * the proxy removes such headers from what it passes on.
 */
export const remoteHeadersAuthenticator: Authenticator = async (_ctx, { headers }) => {
  const username = header(headers, 'x-remote-user');
  if (username === undefined || username === '') return undefined;
  const extra: Record<string, readonly string[]> = {};
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-remote-extra-'))
      extra[decodeURIComponent(name.slice('x-remote-extra-'.length))] = headerAll(headers, name).map(fromHeaderText);
  }
  const uid = header(headers, 'x-remote-uid');
  return {
    username: fromHeaderText(username),
    groups: headerAll(headers, 'x-remote-group').map(fromHeaderText),
    ...(uid === undefined ? {} : { uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
};
