/** A request to the hub's own API: the caller's credentials go along, claims of a proxy do not. */
import { agentOrganization } from '@polyanthus/engine-tunnel/agent-key';
import { endToEnd } from '@polyanthus/engine-tunnel/hop-headers';
import { refusedIdentity } from '@polyanthus/engine-tunnel/refused-identity';
import { header, toHeaderText } from '@polyanthus/ground-http/headers';
import type { HeaderValues, HttpRequest, ServerRequest, Transport } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';

/** Where a request goes, and the headers that say who asks. */
export interface CallersRoute {
  readonly transport: Transport;
  readonly identity: HeaderValues;
}

/**
 * The hub's own API as callers reach it. `certificateUser` is who the client certificate of the connection names, when
 * the request brings no other credentials: a certificate cannot pass a proxy, so that the headers must say it. Without
 * one the caller's own credentials go along, or none. Throws StatusError (Forbidden).
 */
export type CallersApi = (request: ServerRequest, certificateUser: UserInfo | undefined) => CallersRoute;

/** An API that believes `X-Remote-*` from this transport alone: the embedded one, on its unix socket. */
export function believingApi(transport: Transport): CallersApi {
  return (_request, user) => ({ transport, identity: user === undefined ? {} : remoteUser(user) });
}

/**
 * Any Kubernetes API. `bare` carries no credentials of the hub, in headers or in TLS, so that a caller is never taken
 * for it; `own` does, and is used for the hub's agents alone, always with the user to impersonate.
 */
export function impersonatingApi(bare: Transport, own: Transport): CallersApi {
  return (request, user) => {
    if (user === undefined) return { transport: bare, identity: {} };
    const why = refusedIdentity(user);
    if (why !== undefined) throw statusError('Forbidden', `the hub acts for no such certificate: ${why}`);
    // For anybody else it would need the right to act as every user and group of that API: to be root there.
    if (!user.groups.includes(agentOrganization)) throw statusError('Forbidden', notByCertificate(user));
    if (Object.keys(request.headers).some((name) => name.startsWith('impersonate-')))
      throw statusError('Forbidden', 'who comes by a client certificate may not impersonate here; use a token');
    const groups = user.groups.filter((group) => group !== 'system:authenticated');
    const identity = {
      'impersonate-user': toHeaderText(user.username),
      ...(groups.length === 0 ? {} : { 'impersonate-group': groups.map(toHeaderText) }),
    };
    return { transport: own, identity };
  };
}

const notByCertificate = (user: UserInfo): string =>
  `user "${user.username}" comes by a client certificate, which opens the fleet's members but not the hub's own API: it cannot pass a proxy. Use a token here (kubectl create token, or your identity provider's), or ask the API server of the hub's cluster itself`;

/** The request as the API gets it, with the headers that say who asks. */
export function hubRequest(request: ServerRequest, identity: HeaderValues): HttpRequest {
  const own = Object.fromEntries(
    Object.entries(endToEnd(request.headers)).filter(([name]) => !name.startsWith('x-remote-')),
  );
  const upgrade = header(request.headers, 'upgrade');
  return {
    method: request.method,
    url: request.url,
    headers: {
      ...own,
      ...(upgrade === undefined ? {} : { connection: 'Upgrade', upgrade }),
      ...identity,
    },
    body: request.body,
  };
}

function remoteUser(user: UserInfo): HeaderValues {
  const extra = Object.entries(user.extra ?? {}).map(
    ([key, values]) => [`x-remote-extra-${encodeURIComponent(key).toLowerCase()}`, values.map(toHeaderText)] as const,
  );
  return {
    'x-remote-user': toHeaderText(user.username),
    'x-remote-group': user.groups.map(toHeaderText),
    ...Object.fromEntries(extra),
  };
}
