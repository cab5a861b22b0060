/**
 * HTTP/2 with the roles turned, both ends: options, sessions, and headers to and from the wire. Every option here was
 * measured (facts/fleet.md 8.1): with Node's defaults 1,000 stalled answers end the session, and one stream carries
 * 3 MB/s at 20 ms.
 */
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { httpLimits } from '@polyanthus/ground-http/limits';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { headerValues } from '@polyanthus/ground-http/wire-headers';
import { tunnelErrors } from './errors.ts';

/** Sizes of one tunnel; both ends use the same. */
export const tunnelLimits = {
  /**
   * One stream fills 1 Gbit/s at 20 ms. The link and its queue hold up to 7.5 MB, and the other end gives room back only
   * when half of the window was read. Of what the link can carry to anybody: 4 MiB had 88 % at 500 Mbit/s and 66 % at
   * 1 Gbit/s, 8 MiB 97 % and 97 % (bench/gateway/link.ts). It is also what one stalled stream may hold at the hub.
   */
  streamWindowBytes: 8_388_608,
  /** Of the connection: several streams at full speed. Node gives it back on receipt, so a stalled stream keeps none. */
  sessionWindowBytes: 16 * 1_048_576,
  /** Streams of one tunnel; admission control stays below it, because above it HTTP/2 waits in silence. */
  streamsMax: 8_192,
  /** MB; Node ends the session above it, so it is far above what admission lets in. */
  sessionMemoryMb: 4_096,
  frameBytesMax: 65_536,
} as const;

const common = {
  maxSessionMemory: tunnelLimits.sessionMemoryMb,
  maxSessionRejectedStreams: 100_000,
  maxSessionInvalidFrames: 1_000,
  maxHeaderListPairs: httpLimits.nodeHeaderPairsMax,
  maxSendHeaderBlockLength: httpLimits.nodeHeaderBytesMax,
  peerMaxConcurrentStreams: tunnelLimits.streamsMax,
  strictFieldWhitespaceValidation: true,
} as const;

const settings = {
  initialWindowSize: tunnelLimits.streamWindowBytes,
  maxFrameSize: tunnelLimits.frameBytesMax,
  maxHeaderListSize: httpLimits.nodeHeaderBytesMax,
  maxConcurrentStreams: tunnelLimits.streamsMax,
  enablePush: false,
} as const;

/**
 * The hub's end, over a connection whose earlier bytes are all written (Node aborts the process otherwise). Resolves
 * once the agent's settings are here; a connection that ends before that is TunnelProtocol.
 */
export async function openClientSession(connection: Duplex): Promise<http2.ClientHttp2Session> {
  const session = http2.connect('https://member', {
    ...common,
    settings,
    createConnection: () => connection,
  });
  session.once('connect', () => session.setLocalWindowSize(tunnelLimits.sessionWindowBytes));
  await new Promise<void>((resolve, reject) => {
    const fail = (cause?: unknown): void =>
      reject(tunnelErrors.error('TunnelProtocol', 'the connection ended before HTTP/2 was set up', { cause }));
    session.once('remoteSettings', () => resolve());
    session.once('close', () => fail());
    session.on('error', fail);
  });
  return session;
}

/** The agent's end; the same condition on earlier bytes holds. */
export function openServerSession(connection: Duplex): http2.ServerHttp2Session {
  const session = http2.performServerHandshake(connection, {
    ...common,
    settings: { ...settings, enableConnectProtocol: true },
  });
  session.setLocalWindowSize(tunnelLimits.sessionWindowBytes);
  session.on('error', () => session.destroy());
  return session;
}

/** Headers of `stream`, `response` and `trailers` events as they were sent: a repeated one is an array, pseudo-headers are left out. */
export function fromRaw(raw: readonly string[]): HeaderValues {
  const flat: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!name.startsWith(':')) flat.push(name, raw[index + 1] ?? '');
  }
  return headerValues(flat);
}

/** For Node's http2, whose types want mutable arrays. */
export function toOutgoing(headers: HeaderValues): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) out[name] = typeof value === 'string' ? value : [...value];
  return out;
}

/** Whether these frame flags end the stream: there is no body. */
export function endsStream(flags: number): boolean {
  return (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
}
