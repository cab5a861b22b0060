/** What a hop must not pass on (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2). */
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { headerAll } from '@polyanthus/ground-http/headers';

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The prefix of the headers that hub and agent exchange; nothing from outside may carry it further. */
export const ownPrefix = 'polyanthus-';

const none: ReadonlySet<string> = new Set();

function namedByConnection(headers: HeaderValues): ReadonlySet<string> {
  const names = headerAll(headers, 'connection').flatMap((value) => value.split(','));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

/** The headers that go on: without those of the hop, those that `Connection` names, and our own. */
export function endToEnd(headers: HeaderValues): HeaderValues {
  const named = headers['connection'] === undefined ? none : namedByConnection(headers);
  const out = Object.create(null) as Record<string, string | readonly string[]>;
  for (const [name, value] of Object.entries(headers)) {
    if (hopByHop.has(name) || named.has(name) || name.startsWith(ownPrefix) || name.startsWith(':')) continue;
    out[name] = value;
  }
  return out;
}

/** For what has no body, or is a stream of bytes: a length that does not fit breaks the whole session at the other end. */
export function withoutLength(headers: HeaderValues): HeaderValues {
  const { 'content-length': _length, ...rest } = headers;
  return rest;
}

/** The length that the headers declare, when it is one. */
export function declaredLength(headers: HeaderValues): number | undefined {
  const value = headers['content-length'];
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
