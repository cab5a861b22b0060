/** The server's side of port-forward: each pair of streams becomes one connection to a port. */
import type { Duplex } from 'node:stream';
import type { Timer } from '@polyanthus/ground-base/clock';
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import { relay } from '@polyanthus/ground-http/relay';
import { acceptWebSocket, isWebSocketRequest } from '@polyanthus/ground-http/websocket-handshake';
import { webSocketOver } from '@polyanthus/ground-http/websocket';
import type { ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import { portForwardHeaders, portForwardProtocol, portOf, tunnelledPortForwardProtocol } from './port-forward.ts';
import { SpdySession } from './spdy.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { acceptSpdy } from './spdy-upgrade.ts';

/** Connects to a port of the pod. Its error's message goes to the client. */
export type ConnectPort = (ctx: Context, port: number) => Promise<Duplex>;

/** How long the second stream of a pair may take (kubelet's streamCreationTimeout). */
const pairTimeoutMs = 30_000;

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  readonly timer: Timer;
}

/** Answers an upgrade request by SPDY, or SPDY inside a WebSocket; any other request by a plain refusal. */
export function servePortForward(ctx: Context, request: ServerRequest, connect: ConnectPort): ServerResponse {
  if (isWebSocketRequest(request.headers)) {
    return acceptWebSocket(request, [tunnelledPortForwardProtocol], (socket, head) => {
      serveSession(ctx, webSocketOver(ctx, socket, { role: 'server', head }), new Uint8Array(0), connect);
    });
  }
  return acceptSpdy(request, [portForwardProtocol], (socket, head) => serveSession(ctx, socket, head, connect));
}

function serveSession(ctx: Context, socket: Duplex, head: Uint8Array, connect: ConnectPort): void {
  const child = withCancel(ctx);
  const pairs = new Map<string, Pair>();
  const session = new SpdySession(ctx, socket, {
    role: 'server',
    head,
    resetIs: 'error',
    onStream: (stream) => addStream(child.ctx, pairs, stream, connect),
  });
  void session.ended.then((error) => {
    child.cancel(error);
    for (const pair of pairs.values()) pair.timer.cancel();
    pairs.clear();
  });
  session.start();
}

function addStream(ctx: Context, pairs: Map<string, Pair>, stream: SpdyStream, connect: ConnectPort): void {
  const type = stream.headers[portForwardHeaders.streamType];
  const port = portOf(stream.headers[portForwardHeaders.port]);
  if (port === undefined || (type !== 'error' && type !== 'data')) return stream.refuse();
  // Clients older than the header open the data stream right after the error stream.
  const requestId =
    stream.headers[portForwardHeaders.requestId] ?? `stream-${type === 'error' ? stream.id : stream.id - 2}`;
  const pair = pairs.get(requestId) ?? newPair(ctx, pairs, requestId);
  if (pair[type] !== undefined) return stream.refuse();
  pair[type] = stream;
  stream.accept();
  if (pair.error === undefined || pair.data === undefined) return;
  pair.timer.cancel();
  pairs.delete(requestId);
  void forward(ctx, { error: pair.error, data: pair.data, port }, connect);
}

function newPair(ctx: Context, pairs: Map<string, Pair>, requestId: string): Pair {
  const giveUp = (): void => {
    pairs.delete(requestId);
    pair.error?.end('timed out waiting for streams');
    pair.data?.destroy();
  };
  const pair: Pair = { timer: ctx.clock.after(pairTimeoutMs, giveUp, { unref: true }) };
  pairs.set(requestId, pair);
  return pair;
}

async function forward(
  ctx: Context,
  streams: { readonly error: SpdyStream; readonly data: SpdyStream; readonly port: number },
  connect: ConnectPort,
): Promise<void> {
  const { error, data, port } = streams;
  error.resume();
  const fail = (cause: unknown): void => {
    error.end(`error forwarding port ${port} to pod: ${cause instanceof Error ? cause.message : String(cause)}`);
    data.destroy();
  };
  let connection: Duplex;
  try {
    connection = await connect(ctx, port);
  } catch (cause) {
    return fail(cause);
  }
  const result = await relay(ctx, data, connection);
  if (result.error !== undefined && !data.wasLost) fail(result.error);
  else error.end();
}
