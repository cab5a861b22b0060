/** `Impersonate-*` of a caller, judged at the hub as kube-apiserver judges it; without the right nothing of it goes on. */
import type { Context } from '@polyanthus/ground-base/context';
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';

const known = 'system:authenticated';

type Authorize = (ctx: Context, right: Attributes) => Promise<Decision>;

/** Who the request acts as. Errors (StatusError): Forbidden without the right, BadRequest for groups without a user. */
export async function actingUser(
  ctx: Context,
  caller: UserInfo,
  headers: HeaderValues,
  authorize: Authorize,
): Promise<UserInfo> {
  const asked = Object.keys(headers).filter((name) => name.startsWith('impersonate-'));
  if (asked.length === 0) return caller;
  const users = headerAll(headers, 'impersonate-user');
  const username = header(headers, 'impersonate-user') ?? '';
  if (users.length !== 1 || username === '')
    throw statusError('BadRequest', 'requested impersonation without impersonating a user');
  const other = asked.find((name) => name !== 'impersonate-user' && name !== 'impersonate-group');
  if (other !== undefined)
    throw statusError('Forbidden', `the gateway passes no ${other} on; impersonate a user and groups only`);
  const groups = headerAll(headers, 'impersonate-group');
  await demand(ctx, caller, 'users', username, authorize);
  for (const group of groups) await demand(ctx, caller, 'groups', group, authorize);
  // As kube-apiserver adds it: roles for everyone who is known count for the acting user too.
  return { username, groups: groups.includes(known) ? groups : [...groups, known] };
}

async function demand(
  ctx: Context,
  caller: UserInfo,
  resource: 'users' | 'groups',
  name: string,
  authorize: Authorize,
): Promise<void> {
  const right: Attributes = {
    kind: 'resource',
    user: caller,
    verb: 'impersonate',
    group: '',
    version: 'v1',
    resource,
    subresource: '',
    namespace: '',
    name,
  };
  const decision = await authorize(ctx, right);
  if (!decision.allowed)
    throw statusError(
      'Forbidden',
      `${resource} "${name}" is forbidden: User "${caller.username}" cannot impersonate resource "${resource}" in API group "" at the cluster scope`,
      { name, kind: resource },
    );
}
