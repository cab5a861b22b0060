/** Who is at the other end of a server's connection. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Context } from '@polyanthus/ground-base/context';
import type { Peer } from './message.ts';

interface Known {
  readonly address: string;
  readonly certificate: Uint8Array | undefined;
  readonly refused: string | undefined;
  readonly notAfterMs: number;
}

/** By connection, because reading a certificate costs more than a small request. */
const known = new WeakMap<object, Known>();

/** The peer of a request; `path` is the unix socket's. A certificate that has expired since the handshake is refused too. */
export function peerOf(ctx: Context, req: IncomingMessage | Http2ServerRequest, path: string | undefined): Peer {
  const connection: object = 'stream' in req ? (req.stream.session ?? req.stream) : req.socket;
  let one = known.get(connection);
  if (one === undefined) {
    one = read('stream' in req ? req.stream.session?.socket : req.socket, path);
    known.set(connection, one);
  }
  const { address, certificate, refused } = one;
  if (refused !== undefined) return { address, refusedCertificate: refused };
  if (certificate === undefined) return { address };
  return one.notAfterMs < ctx.clock.now()
    ? { address, refusedCertificate: 'CERT_HAS_EXPIRED' }
    : { address, certificate };
}

function read(socket: object | undefined, path: string | undefined): Known {
  const { remoteAddress, remotePort, authorized, authorizationError } = (socket ?? {}) as Partial<TLSSocket>;
  const host = remoteAddress?.includes(':') === true ? `[${remoteAddress}]` : remoteAddress;
  const address = path ?? `${host ?? 'unknown'}:${remotePort ?? 0}`;
  const x509 = authorized === undefined ? undefined : (socket as TLSSocket).getPeerX509Certificate();
  if (x509 === undefined) return { address, certificate: undefined, refused: undefined, notAfterMs: 0 };
  const refused = authorized === true ? undefined : String(authorizationError);
  return { address, certificate: x509.raw, refused, notAfterMs: Date.parse(x509.validTo) };
}
