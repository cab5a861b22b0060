/** The client's side of port-forward: one connection to the API, a stream pair for each connection to a port. */
import type { Duplex } from 'node:stream';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { webSocketOver } from '@polyanthus/ground-http/websocket';
import type { HeaderValues, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { dialOf, dialWebSocketFirst } from './dial-fallback.ts';
import { streamErrors } from './errors.ts';
import { portForwardHeaders, portForwardProtocol, tunnelledPortForwardProtocol } from './port-forward.ts';
import { refusedError } from './refused.ts';
import { SpdySession } from './spdy.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { dialSpdy } from './spdy-upgrade.ts';

export interface PortForwardTarget {
  /** Path of the portforward subresource. */
  readonly url: string;
  readonly headers?: HeaderValues;
  /** Default: both, WebSocket first. */
  readonly protocols?: readonly ('websocket' | 'spdy')[];
  readonly random: Random;
}

/** An open port-forward: each connection to a port of the pod is a Duplex of its own. */
export interface PortForwardSession {
  readonly protocol: 'websocket' | 'spdy';
  /**
   * A connection to a port of the pod, as a Duplex with half-close. When the node cannot connect, or the connection
   * breaks there, it errors with PortForwardFailed and the node's words.
   */
  connect(ctx: Context, port: number): Promise<Duplex>;
  /** Resolves when the connection to the API is over, with the reason when it was not asked for. */
  readonly ended: Promise<unknown>;
  /** Ends open connections after what was written to them, then the session. */
  close(): Promise<void>;
}

const heartbeat = { intervalMs: 10_000, deadlineMs: 61_000 };
const errorTextMax = 4_096;

/** Opens a session. Throws StatusError when the API refused, StreamUpgradeRefused when something else did. */
export async function openPortForward(
  ctx: Context,
  transport: Transport,
  target: PortForwardTarget,
): Promise<PortForwardSession> {
  const protocols = target.protocols ?? ['websocket', 'spdy'];
  let refused: HttpResponse | undefined;
  for (const protocol of protocols) {
    const opened =
      protocol === 'websocket'
        ? await openTunnelled(ctx, transport, target, protocols.length > 1)
        : await openPlain(ctx, transport, target);
    if (opened instanceof SpdySession) return sessionOf(protocol, opened);
    refused = opened;
  }
  if (refused === undefined) throw streamErrors.error('StreamUpgradeRefused', 'no protocol of port-forward is allowed');
  throw await refusedError(`port-forward at ${target.url}`, refused);
}

async function openTunnelled(
  ctx: Context,
  transport: Transport,
  target: PortForwardTarget,
  canFallBack: boolean,
): Promise<SpdySession | HttpResponse> {
  const way = { protocol: tunnelledPortForwardProtocol, canFallBack };
  const result = await dialWebSocketFirst(ctx, transport, target, way);
  if (result.kind === 'refused') return result.response;
  return started(
    ctx,
    webSocketOver(ctx, result.socket, { role: 'client', head: result.head, heartbeat }),
    new Uint8Array(0),
  );
}

async function openPlain(
  ctx: Context,
  transport: Transport,
  target: PortForwardTarget,
): Promise<SpdySession | HttpResponse> {
  const result = await dialSpdy(ctx, transport, dialOf(target, portForwardProtocol));
  return result.kind === 'refused' ? result.response : started(ctx, result.socket, result.head);
}

function started(ctx: Context, socket: Duplex, head: Uint8Array): SpdySession {
  const session = new SpdySession(ctx, socket, { role: 'client', head, resetIs: 'error' });
  session.start();
  return session;
}

function sessionOf(protocol: 'websocket' | 'spdy', session: SpdySession): PortForwardSession {
  let requests = 0;
  return {
    protocol,
    connect: (ctx, port) => connect(ctx, session, port, String(requests++)),
    ended: session.ended,
    close: () => session.close(),
  };
}

async function connect(ctx: Context, session: SpdySession, port: number, requestId: string): Promise<Duplex> {
  const headers = { [portForwardHeaders.port]: String(port), [portForwardHeaders.requestId]: requestId };
  const error = session.open({ ...headers, [portForwardHeaders.streamType]: 'error' });
  error.end();
  // Servers pair the streams by their headers, but the oldest by their order.
  await untilAborted(ctx, error.accepted);
  const data = session.open({ ...headers, [portForwardHeaders.streamType]: 'data' });
  watchError(error, data, port);
  await untilAborted(ctx, data.accepted);
  return data;
}

/** The node's words on the error stream break the connection; its silent end says nothing. */
function watchError(error: SpdyStream, data: SpdyStream, port: number): void {
  let text = '';
  const failure = (): Error => streamErrors.error('PortForwardFailed', `port ${port}: ${text}`);
  error.on('data', (piece: Uint8Array) => (text = (text + Buffer.from(piece).toString('utf8')).slice(0, errorTextMax)));
  // The reset of the data stream comes right behind the words.
  data.explainLoss = (loss) => (text === '' ? loss : failure());
  error.once('end', () => void (text === '' ? undefined : data.destroy(failure())));
}
