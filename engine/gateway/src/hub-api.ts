/** A request to the hub's own API: the caller's credentials go along, claims of a proxy do not. */
import { endToEnd } from '@polyanthus/engine-tunnel/hop-headers';
import { header } from '@polyanthus/ground-http/headers';
import type { HeaderValues, HttpRequest, ServerRequest } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';

/**
 * `certificateUser` is who the client certificate of the connection names, when the request brings no other credentials:
 * a certificate cannot pass a proxy, so that it goes as `X-Remote-*`, as to an aggregated API server.
 */
export function hubRequest(request: ServerRequest, certificateUser: UserInfo | undefined): HttpRequest {
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
      ...(certificateUser === undefined ? {} : remoteUser(certificateUser)),
    },
    body: request.body,
  };
}

function remoteUser(user: UserInfo): HeaderValues {
  const extra = Object.entries(user.extra ?? {}).map(
    ([key, values]) => [`x-remote-extra-${encodeURIComponent(key).toLowerCase()}`, values] as const,
  );
  return { 'x-remote-user': user.username, 'x-remote-group': user.groups, ...Object.fromEntries(extra) };
}
