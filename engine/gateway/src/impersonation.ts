/** `Impersonate-*` of a caller, judged at the hub as kube-apiserver judges it; without the right nothing of it goes on. */
import type { Context } from '@polyanthus/ground-base/context';
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';
import type { ResourceRight } from './permission.ts';

const known = 'system:authenticated';

type Authorize = (ctx: Context, right: Attributes) => Promise<Decision>;

/** Who a request acts as, and the rights at the hub that make it so. */
export interface Acting {
  readonly user: UserInfo;
  readonly rights: readonly Attributes[];
}

/** Who the request acts as. Errors (StatusError): Forbidden without the right, BadRequest for groups without a user. */
export async function actingUser(
  ctx: Context,
  caller: UserInfo,
  headers: HeaderValues,
  authorize: Authorize,
): Promise<Acting> {
  const asked = Object.keys(headers).filter((name) => name.startsWith('impersonate-'));
  if (asked.length === 0) return { user: caller, rights: [] };
  const users = headerAll(headers, 'impersonate-user');
  const username = header(headers, 'impersonate-user') ?? '';
  if (users.length !== 1 || username === '')
    throw statusError('BadRequest', 'requested impersonation without impersonating a user');
  const other = asked.find((name) => name !== 'impersonate-user' && name !== 'impersonate-group');
  if (other !== undefined)
    throw statusError('Forbidden', `the gateway passes no ${other} on; impersonate a user and groups only`);
  const groups = headerAll(headers, 'impersonate-group');
  const rights = [
    impersonate(caller, 'users', username),
    ...groups.map((group) => impersonate(caller, 'groups', group)),
  ];
  for (const right of rights) await demand(ctx, right, authorize);
  // As kube-apiserver adds it: roles for everyone who is known count for the acting user too.
  return { user: { username, groups: groups.includes(known) ? groups : [...groups, known] }, rights };
}

function impersonate(user: UserInfo, resource: 'users' | 'groups', name: string): ResourceRight {
  return {
    kind: 'resource',
    user,
    verb: 'impersonate',
    group: '',
    version: 'v1',
    resource,
    subresource: '',
    namespace: '',
    name,
  };
}

async function demand(ctx: Context, right: ResourceRight, authorize: Authorize): Promise<void> {
  const { resource, name, user } = right;
  if ((await authorize(ctx, right)).allowed) return;
  const message = `${resource} "${name}" is forbidden: User "${user.username}" cannot impersonate resource "${resource}" in API group "" at the cluster scope`;
  throw statusError('Forbidden', message, { name, kind: resource });
}
