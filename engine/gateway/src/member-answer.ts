/**
 * What of a member's answer reaches the caller. All members share the hub's origin, and a member may be hostile: its
 * answer must not speak for the hub, or lead the caller's credentials elsewhere (as kube-apiserver refuses redirects of
 * aggregated servers since CVE-2022-3172).
 */
import { discardBody } from '@polyanthus/ground-http/guard';
import type { HeaderValues, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { headerAll } from '@polyanthus/ground-http/headers';
import { StatusError } from '@polyanthus/kube-objects/status';
import { pathFault } from './route.ts';

/** What a browser or client remembers of the hub's whole origin, or takes for the hub's question for credentials. */
const ofTheOrigin: ReadonlySet<string> = new Set([
  'alt-svc',
  'clear-site-data',
  'nel',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'www-authenticate',
]);

/** The member whose answers are such; `prefix` is its path at the hub, below which redirects stay. */
export function guardedMember(member: Transport, prefix: string): Transport {
  return {
    request: async (ctx, request) => guarded(await member.request(ctx, request), prefix),
    upgrade: async (ctx, request) => {
      const result = await member.upgrade(ctx, request);
      return result.kind === 'refused'
        ? { kind: 'refused', response: guarded(result.response, prefix) }
        : { ...result, headers: forCaller(result.headers) };
    },
    close: () => member.close(),
  };
}

const forCaller = (headers: HeaderValues): HeaderValues =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofTheOrigin.has(name)));

/** Throws StatusError (502) for a redirect that leads anywhere else. */
function guarded(response: HttpResponse, prefix: string): HttpResponse {
  const headers = forCaller(response.headers);
  const locations = headerAll(headers, 'location');
  const redirects = response.status >= 300 && response.status < 400;
  if (!redirects || locations.length === 0) return { ...response, headers };
  const [location = ''] = locations;
  if (locations.length === 1 && location.startsWith('/') && pathFault(location.split('?', 1)[0] ?? '') === undefined)
    return { ...response, headers: { ...headers, location: prefix + location } };
  discardBody(response.body);
  throw redirected();
}

function redirected(): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: 'the member attempted to redirect this request to another place, which is not permitted',
    reason: 'InternalError',
    code: 502,
  });
}
