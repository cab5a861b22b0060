/**
 * What the agent lets through to its kube-apiserver. It may do more there than any caller, so a request without an
 * identity never passes: the hub's mistake must not make a caller the agent itself.
 */
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues, HttpRequest } from '@polyanthus/ground-http/message';
import { refusedIdentity } from './refused-identity.ts';
import { statusError, type Status } from '@polyanthus/kube-objects/status';
import { endToEnd } from './hop-headers.ts';
import { probeHeader } from './wire.ts';

/** Paths that the hub may ask for as the agent itself: they tell of health and version alone. */
const probePaths: ReadonlySet<string> = new Set(['/livez', '/readyz', '/healthz', '/version']);

const identity: ReadonlySet<string> = new Set(['impersonate-user', 'impersonate-group']);

/** Never the caller's: the agent's own credentials go instead, and nobody in front of the member's API is trusted. */
const dropped = (name: string): boolean =>
  name === 'authorization' ||
  name === 'cookie' ||
  name.startsWith('x-remote-') ||
  name.startsWith('x-forwarded-') ||
  name === 'forwarded';

/** The headers to send on, or the Status to answer with. */
export type Admitted =
  | { readonly kind: 'admitted'; readonly headers: HeaderValues }
  | { readonly kind: 'refused'; readonly status: Status };

/** Checks a request as it came from the hub and gives the headers that go on. */
export function admitMemberRequest(request: HttpRequest): Admitted {
  const headers = Object.fromEntries(Object.entries(endToEnd(request.headers)).filter(([name]) => !dropped(name)));
  if (header(request.headers, probeHeader) !== undefined) return admitProbe(request, headers);
  const users = headerAll(headers, 'impersonate-user');
  const user = users[0] ?? '';
  if (users.length !== 1 || user === '') return refuse('the hub sent a request without exactly one Impersonate-User');
  const other = Object.keys(headers).find((name) => name.startsWith('impersonate-') && !identity.has(name));
  if (other !== undefined) return refuse(`the hub sends no ${other}`);
  const why = refusedIdentity({ username: user, groups: headerAll(headers, 'impersonate-group') });
  return why === undefined ? { kind: 'admitted', headers } : refuse(why);
}

function admitProbe(request: HttpRequest, headers: HeaderValues): Admitted {
  const impersonates = Object.keys(headers).some((name) => name.startsWith('impersonate-'));
  if (request.method !== 'GET' || !probePaths.has(request.url) || impersonates)
    return refuse(`${request.method} ${request.url} is no probe`);
  return { kind: 'admitted', headers: { accept: 'application/json, */*' } };
}

function refuse(why: string): Admitted {
  return { kind: 'refused', status: statusError('Forbidden', `the agent refused a request: ${why}`).status };
}
