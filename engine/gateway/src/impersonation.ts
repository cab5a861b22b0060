/** `Impersonate-*` of a caller, judged at the hub as kube-apiserver judges it; without the right nothing of it goes on. */
import type { Context } from '@polyanthus/ground-base/context';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { requestedImpersonation, type Impersonation } from '@polyanthus/kube-access/impersonation';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';

type Authorize = (ctx: Context, right: Attributes) => Promise<Decision>;

/** What a member is told of an identity. */
const passed: ReadonlySet<string> = new Set(['impersonate-user', 'impersonate-group']);

/**
 * Who the request acts as, and the rights at the hub that make it so. Errors (StatusError): Forbidden without a right,
 * and for a uid or an extra, which no member is told; BadRequest for groups without exactly one user.
 */
export async function actingUser(
  ctx: Context,
  caller: UserInfo,
  headers: HeaderValues,
  authorize: Authorize,
): Promise<Impersonation> {
  if (headerAll(headers, 'impersonate-user').length > 1)
    throw statusError('BadRequest', 'requested impersonation of more than one user');
  const asked = requestedImpersonation(caller, headers);
  if (asked === undefined) return { user: caller, rights: [] };
  const other = Object.keys(headers).find((name) => name.startsWith('impersonate-') && !passed.has(name));
  if (other !== undefined)
    throw statusError('Forbidden', `the gateway passes no ${other} on; impersonate a user and groups only`);
  for (const right of asked.rights) {
    if (!(await authorize(ctx, right)).allowed) throw forbidden(right);
  }
  return asked;
}

function forbidden(right: Attributes): Error {
  const { resource, name, namespace, group } =
    right.kind === 'resource' ? right : { resource: '', name: '', namespace: '', group: '' };
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const message = `${resource} "${name}" is forbidden: User "${right.user.username}" cannot impersonate resource "${resource}" in API group "${group}" ${where}`;
  return statusError('Forbidden', message, { name, kind: resource });
}
