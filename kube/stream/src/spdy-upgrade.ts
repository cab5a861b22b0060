/** The HTTP upgrade to SPDY/3.1 and its negotiation of a protocol by X-Stream-Protocol-Version (apimachinery httpstream). */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type {
  HeaderValues,
  HttpResponse,
  ServerRequest,
  ServerResponse,
  Transport,
} from '@polyanthus/ground-http/message';

const versionHeader = 'x-stream-protocol-version';
const upgradeName = 'SPDY/3.1';

/** Whether a request asks for an upgrade to SPDY/3.1. */
export function isSpdyRequest(headers: HeaderValues): boolean {
  const upgrade = header(headers, 'upgrade')?.toLowerCase() ?? '';
  const connection = headerAll(headers, 'connection').join(',').toLowerCase();
  return upgrade.includes('spdy/3.1') && connection.includes('upgrade');
}

/** A server's answer: 101 with the first of the client's protocols that is spoken here, or 400 and 403 as kubelet words them. */
export function acceptSpdy(
  request: ServerRequest,
  protocols: readonly string[],
  take: (socket: Duplex, head: Uint8Array, protocol: string) => void,
): ServerResponse {
  if (!isSpdyRequest(request.headers)) return plain(400, 'unable to upgrade: missing upgrade headers in request');
  const offered = headerAll(request.headers, versionHeader)
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
  if (offered.length === 0)
    return plain(400, `unable to upgrade: header X-Stream-Protocol-Version does not exist in request`);
  const protocol = offered.find((candidate) => protocols.includes(candidate));
  if (protocol === undefined) {
    const text = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocols.join(' ')}]`;
    return {
      ...plain(403, text),
      headers: { ...plain(403, '').headers, 'x-accepted-stream-protocol-versions': [...protocols] },
    };
  }
  return {
    status: 101,
    headers: { connection: 'Upgrade', upgrade: upgradeName, [versionHeader]: protocol },
    body: null,
    upgrade: (socket, head) => take(socket, head, protocol),
  };
}

export type SpdyDialResult =
  | { readonly kind: 'opened'; readonly socket: Duplex; readonly head: Uint8Array; readonly protocol: string }
  | { readonly kind: 'refused'; readonly response: HttpResponse };

/** A client's upgrade; a server that names no protocol is taken to have chosen the first offered. */
export async function dialSpdy(
  ctx: Context,
  transport: Transport,
  dial: { readonly url: string; readonly protocols: readonly string[]; readonly headers?: HeaderValues },
): Promise<SpdyDialResult> {
  const headers: HeaderValues = {
    ...dial.headers,
    connection: 'Upgrade',
    upgrade: upgradeName,
    [versionHeader]: [...dial.protocols],
    'content-length': '0',
  };
  const result = await transport.upgrade(ctx, { method: 'POST', url: dial.url, headers, body: null });
  if (result.kind === 'refused') return result;
  const protocol = header(result.headers, versionHeader) ?? dial.protocols[0] ?? '';
  return { kind: 'opened', socket: result.socket, head: result.head, protocol };
}

function plain(status: number, message: string): ServerResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: new TextEncoder().encode(`${message}\n`),
  };
}
