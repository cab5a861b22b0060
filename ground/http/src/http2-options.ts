/** How every HTTP/2 session of the product is set up, on servers, clients and in tunnels (facts/stack.md D.11). */
import type { Http2Session, SessionOptions, Settings } from 'node:http2';
import { httpLimits } from './limits.ts';

/** What we tell the other end. Windows are larger than the default 64 KiB, which caps one stream on any distance. */
export const http2Settings: Settings = {
  enablePush: false,
  maxConcurrentStreams: 1000,
  initialWindowSize: 1024 * 1024,
  maxHeaderListSize: httpLimits.nodeHeaderBytesMax,
};

/** Bytes in flight on a whole session before the other end waits. */
export const http2ConnectionWindowBytes = 16 * 1024 * 1024;

/** Node's caps, above our own limits; fresh each time, because Node keeps what it is given. */
export function http2Options(): SessionOptions {
  return {
    settings: { ...http2Settings },
    maxHeaderListPairs: httpLimits.nodeHeaderPairsMax,
    maxSendHeaderBlockLength: httpLimits.nodeHeaderBytesMax,
    // Megabytes; the default of 10 ends sessions that carry many watches.
    maxSessionMemory: 256,
  };
}

/** Opens the connection window; only possible once the session is connected. */
export function widenSession(session: Http2Session): void {
  if (!session.destroyed)
    (session as { setLocalWindowSize?: (bytes: number) => void }).setLocalWindowSize?.(http2ConnectionWindowBytes);
}
