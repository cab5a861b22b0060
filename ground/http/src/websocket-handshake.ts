/** The opening handshake of RFC 6455 section 4, for both ends, over our HTTP messages. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { httpErrors } from './errors.ts';
import { header, headerAll } from './headers.ts';
import type { HeaderValues, HttpResponse, ServerRequest, ServerResponse, Transport } from './message.ts';

/** The value of Sec-WebSocket-Accept for a client's key. */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Whether a request asks for a WebSocket. */
export function isWebSocketRequest(headers: HeaderValues): boolean {
  return header(headers, 'upgrade')?.toLowerCase() === 'websocket' && tokens(headers, 'connection').includes('upgrade');
}

/** The subprotocols that a client offers, in its order of preference. */
export function offeredProtocols(headers: HeaderValues): readonly string[] {
  return split(headers, 'sec-websocket-protocol');
}

/**
 * A server's answer: 101 with the first offered subprotocol that is in `protocols`, and the socket to `take`; else 400
 * (no handshake), 426 (another version) or 403 (no subprotocol in common). With no `protocols` none is negotiated.
 */
export function acceptWebSocket(
  request: ServerRequest,
  protocols: readonly string[],
  take: (socket: Duplex, head: Uint8Array, protocol: string | undefined) => void,
): ServerResponse {
  const key = header(request.headers, 'sec-websocket-key') ?? '';
  const keyIsValid = /^[A-Za-z0-9+/]{22}==$/.test(key);
  if (request.method !== 'GET' || !isWebSocketRequest(request.headers) || !keyIsValid)
    return refusal(400, 'this is no WebSocket handshake');
  if (header(request.headers, 'sec-websocket-version') !== '13')
    return refusal(426, 'only version 13 of WebSocket is spoken here', { 'sec-websocket-version': '13' });
  const protocol = offeredProtocols(request.headers).find((offered) => protocols.includes(offered));
  if (protocol === undefined && protocols.length > 0)
    return refusal(403, `none of the subprotocols is spoken here; these are: ${protocols.join(', ')}`);
  return {
    status: 101,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-accept': webSocketAccept(key),
      ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }),
    },
    body: null,
    upgrade: (socket, head) => take(socket, head, protocol),
  };
}

export interface WebSocketDial {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly headers?: HeaderValues;
}

export type WebSocketDialResult =
  | {
      readonly kind: 'opened';
      readonly socket: Duplex;
      readonly head: Uint8Array;
      readonly protocol: string | undefined;
      readonly headers: HeaderValues;
    }
  | { readonly kind: 'refused'; readonly response: HttpResponse };

/**
 * A client's handshake. A plain answer is `refused`, untouched. Throws UnexpectedProtocol when the 101 is not one of a
 * WebSocket server or names a subprotocol that was not offered; and what the transport throws.
 */
export async function dialWebSocket(
  ctx: Context,
  transport: Transport,
  random: Random,
  dial: WebSocketDial,
): Promise<WebSocketDialResult> {
  const key = Buffer.from(random.bytes(16)).toString('base64');
  const headers: HeaderValues = {
    ...dial.headers,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    ...(dial.protocols.length === 0 ? {} : { 'sec-websocket-protocol': dial.protocols.join(', ') }),
  };
  const result = await transport.upgrade(ctx, { method: 'GET', url: dial.url, headers, body: null });
  if (result.kind === 'refused') return result;
  const protocol = header(result.headers, 'sec-websocket-protocol');
  const accepted = header(result.headers, 'sec-websocket-accept') === webSocketAccept(key);
  if (!accepted || (protocol !== undefined && !dial.protocols.includes(protocol))) {
    result.socket.destroy();
    const what = accepted
      ? `a subprotocol that was not offered: ${protocol}`
      : 'a 101 that is not a WebSocket server’s';
    throw httpErrors.error(
      'UnexpectedProtocol',
      `the answer to a WebSocket handshake at ${dial.url.split('?')[0]} is ${what}`,
    );
  }
  return { kind: 'opened', socket: result.socket, head: result.head, protocol, headers: result.headers };
}

function refusal(status: number, message: string, headers: HeaderValues = {}): ServerResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body: new TextEncoder().encode(`${message}\n`),
  };
}

function split(headers: HeaderValues, name: string): string[] {
  return headerAll(headers, name)
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

function tokens(headers: HeaderValues, name: string): string[] {
  return split(headers, name).map((value) => value.toLowerCase());
}
