/** The connection below a tunnel: a WebSocket whose binary frames carry bytes, so that proxies and ingresses pass it. */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import type { HttpRequest, ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { webSocketOver } from '@polyanthus/ground-http/websocket';
import { acceptWebSocket, dialWebSocket } from '@polyanthus/ground-http/websocket-handshake';
import { tunnelErrors } from './errors.ts';
import { tunnelPath, tunnelSubprotocol } from './hello.ts';

/** The hub's answer to an agent's request for a tunnel; `take` gets the stream of bytes once the 101 is written. */
export function acceptSocket(ctx: Context, request: ServerRequest, take: (connection: Duplex) => void): ServerResponse {
  return acceptWebSocket(request, [tunnelSubprotocol], (socket, head) => {
    const connection = webSocketOver(ctx, socket, { role: 'server', head });
    connection.on('error', () => undefined);
    take(connection);
  });
}

/**
 * The agent's request for one. `ctx` bounds the dialling, `life` the connection. Errors: TunnelProtocol when the other end
 * is no hub or refuses, and those of ground/http.
 */
export async function dialSocket(ctx: Context, life: Context, hub: Transport, random: Random): Promise<Duplex> {
  const result = await dialWebSocket(ctx, hub, random, { url: tunnelPath, protocols: [tunnelSubprotocol] });
  if (result.kind === 'refused') {
    const { status, body } = result.response;
    const text = Buffer.from(await readBody(body, 4_096).catch(() => new Uint8Array(0))).toString('utf8');
    throw tunnelErrors.error(
      'TunnelProtocol',
      `the hub answered ${status} to the request for a tunnel: ${text.trim()}`,
    );
  }
  // The zero mask: TLS is below, and masking costs a pass over every byte.
  const connection = webSocketOver(life, result.socket, { role: 'client', head: result.head });
  connection.on('error', () => undefined);
  return connection;
}

/** Whether a request is an agent's request for a tunnel. */
export function isTunnelRequest(request: Pick<HttpRequest, 'url'>): boolean {
  return request.url.split('?')[0] === tunnelPath;
}
