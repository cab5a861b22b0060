/** The replica without the tunnel: how it asks the one that has it. */
import { httpErrors } from '@polyanthus/ground-http/errors';
import { discardBody } from '@polyanthus/ground-http/guard';
import { header } from '@polyanthus/ground-http/headers';
import type { HttpRequest, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { tunnelErrors } from './errors.ts';
import { endToEnd } from './hop-headers.ts';

/** Before the membership's uid and the member's own path, on the internal port. */
export const pathPrefix = '/internal/v1/members/';
/** Says that a request was forwarded once. */
export const hopHeader = 'polyanthus-hop';
/** The code of a failure of the replica itself, as opposed to an answer of the member. */
export const errorHeader = 'polyanthus-error';

/** A member through another replica. */
export function memberVia(replica: Transport, membershipUid: string): Transport {
  return {
    request: async (ctx, request) => unwrap(await replica.request(ctx, wrap(request, membershipUid))),
    upgrade: async (ctx, request) => {
      const wrapped = wrap(request, membershipUid);
      const result = await replica.upgrade(ctx, {
        ...wrapped,
        headers: { ...wrapped.headers, connection: 'Upgrade', upgrade: header(request.headers, 'upgrade') ?? '' },
      });
      return result.kind === 'upgraded' ? result : { kind: 'refused', response: unwrap(result.response) };
    },
    close: async () => undefined,
  };
}

function wrap(request: HttpRequest, membershipUid: string): HttpRequest {
  return {
    ...request,
    url: `${pathPrefix}${encodeURIComponent(membershipUid)}${request.url}`,
    headers: { ...endToEnd(request.headers), [hopHeader]: '1' },
  };
}

function unwrap(response: HttpResponse): HttpResponse {
  const code = header(response.headers, errorHeader);
  if (code === undefined) return response;
  discardBody(response.body);
  if (code === 'ConnectionBroken')
    throw httpErrors.error('ConnectionBroken', 'the tunnel ended before the member answered');
  const known = code === 'TunnelBusy' || code === 'TunnelLoop' ? code : 'TunnelAway';
  throw tunnelErrors.error(
    known,
    known === 'TunnelAway'
      ? 'the agent has no connection to the hub'
      : 'the replica that holds the tunnel refused the request',
  );
}
