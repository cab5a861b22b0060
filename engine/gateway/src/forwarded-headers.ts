/** What a member gets to see of a request's headers, and of who asks. */
import { flatHeaders, headerFault } from '@polyanthus/ground-http/admission';
import { headerAll, toHeaderText } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { endToEnd } from '@polyanthus/engine-tunnel/hop-headers';
import { refusedIdentity } from '@polyanthus/engine-tunnel/refused-identity';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';
import { headersTooLarge } from './answers.ts';
import { memberName } from './member-name.ts';

/** Credentials, and what a proxy in front of an API server would say about the caller. */
const kept = (name: string): boolean =>
  name !== 'authorization' &&
  name !== 'cookie' &&
  name !== 'forwarded' &&
  name !== 'expect' &&
  !name.startsWith('x-remote-') &&
  !name.startsWith('x-forwarded-') &&
  !name.startsWith('impersonate-');

/**
 * The identity as a member sees it. ServiceAccounts of the hub get names of their own, since the member has accounts with
 * the same names; `system:authenticated` is left out, because every API server adds it itself.
 */
export function memberIdentity(user: UserInfo): { readonly username: string; readonly groups: readonly string[] } {
  return {
    username: memberName(user.username),
    groups: user.groups.filter((group) => group !== 'system:authenticated').map(memberName),
  };
}

/** The names that `memberIdentity` makes belong to the hub's ServiceAccounts; nobody brings one from an identity provider. */
function borrowed(user: UserInfo): string | undefined {
  const name = [user.username, ...user.groups].find((one) => one.startsWith('hub:'));
  return name === undefined ? undefined : `"${name}" is a name that the hub itself gives`;
}

/** kube-apiserver takes a token from a WebSocket's subprotocols too (its websocket authenticator): it stays here. */
function withoutBearer(values: readonly string[]): string | undefined {
  const offered = values.flatMap((value) => value.split(',')).map((one) => one.trim());
  return values.length === 0
    ? undefined
    : offered.filter((one) => !one.startsWith('base64url.bearer.authorization.k8s.io.')).join(', ');
}

/**
 * The headers for the member: the caller's without credentials, connection headers and anything that claims an identity,
 * then the identity. Errors (StatusError): Forbidden for an identity that means something inside a member, 431 when the
 * whole is above the limits of all hops.
 */
export function memberHeaders(headers: HeaderValues, user: UserInfo): HeaderValues {
  const identity = memberIdentity(user);
  const why = borrowed(user) ?? refusedIdentity(identity);
  if (why !== undefined)
    throw statusError(
      'Forbidden',
      `the hub lets nobody into a member as this identity: ${why}; log in as a user of your own`,
    );
  const own: Record<string, string | readonly string[]> = Object.fromEntries(
    Object.entries(endToEnd(headers)).filter(([name]) => kept(name)),
  );
  const offered = withoutBearer(headerAll(headers, 'sec-websocket-protocol'));
  if (offered !== undefined) own['sec-websocket-protocol'] = offered;
  const all = {
    ...own,
    'impersonate-user': toHeaderText(identity.username),
    ...(identity.groups.length === 0 ? {} : { 'impersonate-group': identity.groups.map(toHeaderText) }),
  };
  const fault = headerFault(flatHeaders(all));
  if (fault !== undefined) throw headersTooLarge(fault);
  return all;
}
