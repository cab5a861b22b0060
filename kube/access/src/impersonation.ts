/** `Impersonate-*`: whom a request asks to act as, and the rights that it needs (apiserver filters/impersonation.go). */
import { fromHeaderText, header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { statusError } from '@polyanthus/kube-objects/status';
import type { Attributes, UserInfo } from './user.ts';

/** The user asked for, and what the caller must be allowed. */
export interface Impersonation {
  readonly user: UserInfo;
  readonly rights: readonly Attributes[];
}

const extraPrefix = 'impersonate-extra-';

/** Undefined when nothing is asked. Throws BadRequest for groups, uid or extra without a user. */
export function requestedImpersonation(caller: UserInfo, headers: HeaderValues): Impersonation | undefined {
  const names = Object.keys(headers).filter((name) => name.startsWith('impersonate-'));
  if (names.length === 0) return undefined;
  const username = fromHeaderText(header(headers, 'impersonate-user') ?? '');
  if (username === '') throw statusError('BadRequest', 'requested impersonation without impersonating a user');
  const groups = headerAll(headers, 'impersonate-group').map(fromHeaderText);
  const uid = header(headers, 'impersonate-uid');
  const extra = Object.fromEntries(
    names
      .filter((name) => name.startsWith(extraPrefix))
      .map((name) => [decode(name.slice(extraPrefix.length)), headerAll(headers, name).map(fromHeaderText)]),
  );
  const right = (
    resource: string,
    name: string,
    more: { readonly group?: string; readonly namespace?: string; readonly subresource?: string } = {},
  ): Attributes => ({
    kind: 'resource',
    user: caller,
    verb: 'impersonate',
    group: more.group ?? '',
    version: 'v1',
    resource,
    subresource: more.subresource ?? '',
    namespace: more.namespace ?? '',
    name,
  });
  const authentication = 'authentication.k8s.io';
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  const rights = [
    account === null
      ? right('users', username)
      : right('serviceaccounts', account[2] ?? '', { namespace: account[1] ?? '' }),
    ...groups.map((group) => right('groups', group)),
    ...(uid === undefined ? [] : [right('uids', uid, { group: authentication })]),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) => right('userextras', value, { group: authentication, subresource: key })),
    ),
  ];
  return {
    user: {
      username,
      groups: withDefaults(username, groups, account),
      ...(uid === undefined ? {} : { uid }),
      ...(Object.keys(extra).length === 0 ? {} : { extra }),
    },
    rights,
  };
}

function withDefaults(username: string, groups: readonly string[], account: RegExpExecArray | null): readonly string[] {
  const own =
    account !== null && groups.length === 0
      ? ['system:serviceaccounts', `system:serviceaccounts:${account[1] ?? ''}`]
      : groups;
  if (username === 'system:anonymous')
    return own.includes('system:unauthenticated') ? own : [...own, 'system:unauthenticated'];
  const said = own.includes('system:authenticated') || own.includes('system:unauthenticated');
  return said ? own : [...own, 'system:authenticated'];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
