/** A Handler behind a listening socket: HTTP/1.1 and HTTP/2 by ALPN on TLS, HTTP/1.1 alone on a unix socket or loopback. */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { createSecureServer, type Http2SecureServer, type Http2Session } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { plainError, type RenderError } from './admission.ts';
import { httpErrors } from './errors.ts';
import { http2Options, widenSession } from './http2-options.ts';
import { httpLimits } from './limits.ts';
import type { Handler } from './message.ts';
import { peerOf } from './peer.ts';
import { serveExchange, serveUpgrade, writeFault, type HttpFault, type ServerScope } from './server-exchange.ts';

/** PEM texts. Client certificates are asked for only with `clientCas`; one that does not verify counts as none. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCas?: readonly string[];
}

/** Where to listen. Port 0 takes a free one. A unix socket gets mode 0600; a stale one of a dead owner is replaced. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ServeOptions {
  readonly handler: Handler;
  readonly listen: ListenAddress;
  /** Absent: plain HTTP/1.1. */
  readonly tls?: ServerTls;
  /** Wording of answers that come without the handler (431, 500, 400). */
  readonly renderError?: RenderError;
  /** Hears of such answers to requests that no handler sees (431, 400, 408), for an audit log. */
  readonly onFault?: (fault: HttpFault) => void;
}

/** A listening server: where it listens, and how to end it. */
export interface RunningServer {
  /** `127.0.0.1:6443`, `[::1]:6443`, or the socket's path. */
  readonly address: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** Replaces certificate, key and client CAs for new connections. */
  setTls(tls: ServerTls): void;
  /** Stops listening, says so to clients (GOAWAY, `Connection: close`), waits `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** Starts a server; it also ends, at once, when `ctx` is cancelled. Throws ListenFailed, which names the address. */
export async function serve(ctx: Context, options: ServeOptions): Promise<RunningServer> {
  let draining = false;
  const scope: ServerScope = {
    ctx,
    handler: options.handler,
    render: options.renderError ?? plainError,
    onFault: options.onFault ?? (() => undefined),
    draining: () => draining,
  };
  const server =
    options.tls === undefined
      ? createServer(serverOptions)
      : createSecureServer({
          ...tlsOptions(options.tls),
          ...http2Options(),
          ...serverOptions,
          allowHTTP1: true,
          handshakeTimeout: httpLimits.headTimeoutMs,
        });
  const connections = wire(server, scope, 'path' in options.listen ? options.listen.path : undefined);
  await listen(server, options.listen);
  const close = async (graceMs: number): Promise<void> => {
    draining = true;
    ctx.signal.removeEventListener('abort', cut);
    await closeServer(ctx, server, connections, graceMs);
  };
  const cut = (): void => void close(0);
  ctx.signal.addEventListener('abort', cut, { once: true });
  return {
    ...addressOf(server, options.listen),
    setTls: (tls) => {
      if (!('setSecureContext' in server)) throw new Error('setTls on a server without TLS');
      server.setSecureContext(tlsOptions(tls));
    },
    close,
  };
}

/** Node's options of both kinds of server. No limit on a whole request: watches and uploads take as long as they take. */
const serverOptions: ServerOptions = {
  // Without it each event of a watch waits 40 ms for the acknowledgement of the one before.
  noDelay: true,
  maxHeaderSize: httpLimits.nodeHeaderBytesMax,
  headersTimeout: httpLimits.headTimeoutMs,
  requestTimeout: 0,
  keepAliveTimeout: httpLimits.idleTimeoutMs,
  connectionsCheckingInterval: 5_000,
  // An upgrade with a body, or to h2c, is served as the ordinary request that it also is.
  shouldUpgradeCallback: (req) => {
    const length = req.headers['content-length'] ?? '0';
    return (
      length === '0' && req.headers['transfer-encoding'] === undefined && req.headers.upgrade?.toLowerCase() !== 'h2c'
    );
  },
};

function tlsOptions(tls: ServerTls): {
  cert: string;
  key: string;
  ca: string[];
  requestCert: boolean;
  rejectUnauthorized: false;
  minVersion: 'TLSv1.2';
} {
  const asked = tls.clientCas !== undefined;
  // An empty list, not an absent one: else Node would trust the public CAs for client certificates.
  return {
    cert: tls.cert,
    key: tls.key,
    ca: [...(tls.clientCas ?? [])],
    requestCert: asked,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  };
}

interface Connections {
  readonly sockets: Set<Socket>;
  readonly sessions: Set<Http2Session>;
}

function wire(server: Server | Http2SecureServer, scope: ServerScope, path: string | undefined): Connections {
  const connections: Connections = { sockets: new Set(), sessions: new Set() };
  const emitter = server as Server;
  // Beyond Node's default of 1000 fields it would drop the rest in silence.
  emitter.maxHeadersCount = httpLimits.nodeHeaderPairsMax;
  if (serverOptions.shouldUpgradeCallback !== undefined)
    Object.assign(server, { shouldUpgradeCallback: serverOptions.shouldUpgradeCallback });
  emitter.on('connection', (socket: Socket) => {
    connections.sockets.add(socket);
    socket.once('close', () => connections.sockets.delete(socket));
  });
  emitter.on('request', (req, res) => void serveExchange(scope, peerOf(scope.ctx, req, path), req, res));
  emitter.on(
    'upgrade',
    (req: IncomingMessage, socket: Duplex, head: Uint8Array) =>
      void serveUpgrade(scope, peerOf(scope.ctx, req, path), req, socket, head),
  );
  emitter.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => onClientError(scope, error, socket));
  (server as Http2SecureServer).on('session', (session) => onSession(session, connections));
  return connections;
}

function onClientError(scope: ServerScope, error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, message] = clientFaults[error.code ?? ''] ?? [400, 'the request is not valid HTTP'];
  const { remoteAddress = '', remotePort = 0 } = socket as Socket;
  scope.onFault({ status, message, peerAddress: `${remoteAddress}:${remotePort}`, method: '', url: '' });
  writeFault(scope.render, socket, status, message);
}

const clientFaults: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, `the request's header fields take more than ${httpLimits.nodeHeaderBytesMax} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request head did not arrive in time'],
};

function onSession(session: Http2Session, connections: Connections): void {
  let open = 0;
  connections.sessions.add(session);
  session.once('close', () => connections.sessions.delete(session));
  session.on('error', () => undefined);
  session.on('stream', (stream: Duplex) => {
    open++;
    stream.once('close', () => open--);
  });
  session.setTimeout(httpLimits.idleTimeoutMs, () => (open === 0 ? session.close() : undefined));
  widenSession(session);
}

async function listen(server: Server | Http2SecureServer, where: ListenAddress): Promise<void> {
  try {
    await tryListen(server, where);
  } catch (error) {
    if (!('path' in where) || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !(await isStale(where.path)))
      throw listenFailed(where, error);
    await unlink(where.path);
    await tryListen(server, where).catch((again: unknown) => {
      throw listenFailed(where, again);
    });
  }
  if ('path' in where) await chmod(where.path, 0o600);
}

function tryListen(server: Server | Http2SecureServer, where: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => resolve(false));
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    probe.once('connect', () => probe.destroy());
  });
}

const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken by another program',
  EACCES: 'this user is not allowed to',
  EADDRNOTAVAIL: 'this machine does not have that address',
};

function listenFailed(where: ListenAddress, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const address = 'path' in where ? where.path : `${where.host}:${where.port}`;
  return httpErrors.error('ListenFailed', `cannot listen on ${address}: ${listenReasons[code] ?? code}`, { cause });
}

function addressOf(server: Server | Http2SecureServer, where: ListenAddress): { address: string; port: number } {
  if ('path' in where) return { address: where.path, port: 0 };
  const { address, port, family } = server.address() as AddressInfo;
  return { address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`, port };
}

async function closeServer(
  ctx: Context,
  server: Server | Http2SecureServer,
  connections: Connections,
  graceMs: number,
): Promise<void> {
  const cut = (): void => {
    for (const session of connections.sessions) session.destroy();
    for (const socket of connections.sockets) socket.destroy();
  };
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of connections.sessions) session.close();
  if (graceMs <= 0) cut();
  const timer = ctx.clock.after(graceMs, cut);
  await closed;
  timer.cancel();
}
