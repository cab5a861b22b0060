/**
 * Between hub replicas: the one that holds no tunnel forwards to the one that does, over HTTP with certificates of the
 * hub's internal CA on both sides. A request is forwarded once; a second hop is a loop.
 */
import { hasCode, type CodedError } from '@polyanthus/ground-base/errors';
import { header } from '@polyanthus/ground-http/headers';
import type { Handler, HttpRequest, ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import type { TunnelHub } from './hub.ts';
import { errorHeader, hopHeader, pathPrefix } from './replica-client.ts';
import { answerUpgrade } from './upgrade-answer.ts';

/** Organization of the certificates with which replicas talk to each other. */
export const replicaOrganization = 'polyanthus:hubs';

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
    const tunnel = await hub.localTunnelSoon(ctx, target.membershipUid);
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
      // Whether the member has acted is not known: the other replica says so, and asks nobody again.
      if (hasCode(error, 'ConnectionBroken')) return failure(502, 'ConnectionBroken', 'the tunnel ended');
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
