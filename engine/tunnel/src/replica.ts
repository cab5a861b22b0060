/**
 * Between hub replicas: the one that holds no tunnel forwards to the one that does, over HTTP with certificates of the
 * hub's internal CA on both sides. A request is forwarded once; a second hop is a loop.
 */
import { hasCode, type CodedError } from '@polyanthus/ground-base/errors';
import { header } from '@polyanthus/ground-http/headers';
import { discardBody } from '@polyanthus/ground-http/guard';
import type {
  Handler,
  HttpRequest,
  HttpResponse,
  ServerRequest,
  ServerResponse,
  Transport,
} from '@polyanthus/ground-http/message';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { tunnelErrors } from './errors.ts';
import { endToEnd } from './hop-headers.ts';
import type { TunnelHub } from './hub.ts';
import { answerUpgrade } from './upgrade-answer.ts';

/** Organization of the certificates with which replicas talk to each other. */
export const replicaOrganization = 'polyanthus:hubs';

const pathPrefix = '/internal/v1/members/';
const hopHeader = 'polyanthus-hop';
const errorHeader = 'polyanthus-error';

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
  const known = code === 'TunnelBusy' || code === 'TunnelLoop' ? code : 'TunnelAway';
  throw tunnelErrors.error(
    known,
    known === 'TunnelAway'
      ? 'the agent has no connection to the hub'
      : 'the replica that holds the tunnel refused the request',
  );
}

/** The internal port's handler: refuses everyone without a certificate of a replica (the CA was checked by TLS). */
export function createReplicaHandler(
  hub: TunnelHub,
  options: { readonly organization: string } = { organization: replicaOrganization },
): Handler {
  return async (ctx, request) => {
    if (!isReplica(request, options.organization))
      return failure(403, 'Forbidden', 'this port is for the replicas of the hub');
    const target = parseTarget(request.url);
    if (target === undefined) return failure(404, 'NotFound', 'no such path');
    const tunnel = hub.localTunnel(target.membershipUid);
    if (tunnel === undefined)
      return failure(
        503,
        header(request.headers, hopHeader) === undefined ? 'TunnelAway' : 'TunnelLoop',
        'this replica holds no tunnel of that member',
      );
    const inner: HttpRequest = { ...request, url: target.url };
    try {
      return header(request.headers, 'upgrade') === undefined
        ? await tunnel.request(ctx, inner)
        : answerUpgrade(ctx, await tunnel.upgrade(ctx, inner));
    } catch (error) {
      if (hasCode(error, 'TunnelAway') || hasCode(error, 'TunnelBusy'))
        return failure(503, (error as CodedError).code, 'the tunnel took no request');
      throw error;
    }
  };
}

function isReplica(request: ServerRequest, organization: string): boolean {
  if (request.peer.certificate === undefined) return false;
  return parseCertificate(request.peer.certificate).organizations.includes(organization);
}

function parseTarget(url: string): { readonly membershipUid: string; readonly url: string } | undefined {
  if (!url.startsWith(pathPrefix)) return undefined;
  const slash = url.indexOf('/', pathPrefix.length);
  const uid = slash < 0 ? '' : url.slice(pathPrefix.length, slash);
  return /^[A-Za-z0-9-]{1,64}$/.test(uid) ? { membershipUid: uid, url: url.slice(slash) } : undefined;
}

function failure(status: number, code: string, message: string): ServerResponse {
  return { status, headers: { 'content-type': 'text/plain', [errorHeader]: code }, body: Buffer.from(`${message}\n`) };
}
