/** Between Node's header shapes and ours. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { HeaderValues } from './message.ts';

/** Headers of one connection, which never pass a hop (RFC 9110 section 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** Names and values in turn without the pseudo headers of HTTP/2; `:authority` becomes `host`. */
export function wireFields(raw: readonly string[]): string[] {
  const flat: string[] = [];
  let authority: string | undefined;
  let host = false;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    if (name === ':authority') authority = value;
    if (name.startsWith(':')) continue;
    host ||= name === 'host';
    flat.push(name, value);
  }
  if (authority !== undefined && !host) flat.push('host', authority);
  return flat;
}

/** Our shape from names (lower case) and values in turn. It has no prototype, so that no name is special. */
export function headerValues(flat: readonly string[]): HeaderValues {
  const out = Object.create(null) as Record<string, string | string[]>;
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] ?? '';
    const value = flat[index + 1] ?? '';
    const before = out[name];
    if (before === undefined) out[name] = value;
    else if (typeof before === 'string') out[name] = [before, value];
    else before.push(value);
  }
  return out;
}

/** Node's shape for an answer or a request, without what belongs to the connection alone. */
export function outgoingHeaders(headers: HeaderValues): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!hopByHop.has(name)) out[name] = typeof value === 'string' ? value : [...value];
  }
  return out;
}

/** The head of an HTTP/1.1 answer as bytes. Throws on a name or value that would break the framing. */
export function encodeHead(statusLine: string, flat: readonly string[]): string {
  let head = `${statusLine}\r\n`;
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] ?? '';
    const value = flat[index + 1] ?? '';
    validateHeaderName(name);
    validateHeaderValue(name, value);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
