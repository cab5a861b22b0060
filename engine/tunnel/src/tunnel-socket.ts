/** The connection below a tunnel: a WebSocket whose binary frames carry bytes, so that proxies and ingresses pass it. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import { header } from '@polyanthus/ground-http/headers';
import type { ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { tunnelErrors } from './errors.ts';

/** RFC 6455 section 1.3. */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** The hub's answer to an agent's WebSocket request; `take` gets the bytes' stream once the 101 is written. */
export function acceptSocket(
  request: ServerRequest,
  subprotocol: string,
  take: (connection: Duplex) => void,
): ServerResponse {
  const key = header(request.headers, 'sec-websocket-key') ?? '';
  return {
    status: 101,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-accept': acceptOf(key),
      'sec-websocket-protocol': subprotocol,
    },
    body: null,
    upgrade: (socket, head) => {
      if (head.length > 0) socket.unshift(head);
      take(socket);
    },
  };
}

/** The agent's request for one. Errors: TunnelProtocol when the other end is no hub, and those of ground/http. */
export async function dialSocket(
  ctx: Context,
  hub: Transport,
  url: string,
  subprotocol: string,
  random: Random,
): Promise<Duplex> {
  const key = Buffer.from(random.bytes(16)).toString('base64');
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': subprotocol,
  };
  const result = await hub.upgrade(ctx, { method: 'GET', url, headers, body: null });
  if (result.kind === 'refused') {
    const text = Buffer.from(await readBody(result.response.body, 4_096).catch(() => new Uint8Array(0))).toString(
      'utf8',
    );
    throw tunnelErrors.error(
      'TunnelProtocol',
      `the hub answered ${result.response.status} to the request for a tunnel: ${text.trim()}`,
    );
  }
  if (header(result.headers, 'sec-websocket-accept') !== acceptOf(key)) {
    result.socket.destroy();
    throw tunnelErrors.error('TunnelProtocol', 'what answered the request for a tunnel is no WebSocket server');
  }
  if (result.head.length > 0) result.socket.unshift(result.head);
  return result.socket;
}
