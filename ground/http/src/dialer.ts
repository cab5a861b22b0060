/** Opens connections: TCP or unix socket, through a proxy, with TLS on top. */
import { request as httpRequest } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import {
  connect as tlsConnect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { withTimeout, type Context } from '@polyanthus/ground-base/context';
import { certificateError, connectionError } from './client-errors.ts';
import { httpErrors } from './errors.ts';
import { bareHost, portOf, type Proxy } from './proxy.ts';

/** PEM texts of a client. */
export interface ClientTls {
  /** Trusted CAs; absent: those of Node and of the system. */
  readonly ca?: string | readonly string[] | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name to ask for and to verify, when it is not the host of the URL. */
  readonly serverName?: string | undefined;
  /** The server's certificate is not verified at all. */
  readonly insecure?: boolean | undefined;
}

export interface DialOptions {
  readonly target: URL;
  readonly tls: ClientTls;
  readonly proxy: Proxy | undefined;
  readonly unixSocket: string | undefined;
  readonly connectTimeoutMs: number;
}

/** Opens one connection that speaks `alpn` (ignored without TLS). */
export type Dialer = (ctx: Context, alpn: 'http/1.1' | 'h2') => Promise<Socket>;

/** TCP keep-alive probes begin after this silence, so that a dead peer is noticed on a quiet watch. */
const keepAliveDelayMs = 30_000;

/** A dialer for one server. Throws TlsMaterialInvalid at once when the PEM data is not usable. */
export function createDialer(options: DialOptions): Dialer {
  const secure = options.target.protocol === 'https:' ? secureContext(options.tls) : undefined;
  const address = options.unixSocket ?? options.target.host;
  return async (ctx, alpn) => {
    try {
      return await withTimeout(ctx, options.connectTimeoutMs, `connecting to ${address}`, async (inner) => {
        const raw = await open(inner, options);
        return secure === undefined ? raw : await secured(inner, raw, { options, secure, address, alpn });
      });
    } catch (error) {
      throw connectionError(error, address);
    }
  };
}

function secureContext(tls: ClientTls): SecureContext {
  const ca = tls.ca === undefined ? [...getCACertificates('default'), ...getCACertificates('system')] : [tls.ca].flat();
  try {
    return createSecureContext({ ca, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    const reason = (cause as { code?: string }).code ?? 'not PEM';
    throw httpErrors.error(
      'TlsMaterialInvalid',
      `the TLS data cannot be used: ${reason.replace('ERR_OSSL_', '').toLowerCase()}`,
      { cause },
    );
  }
}

async function open(ctx: Context, options: DialOptions): Promise<Socket> {
  if (options.unixSocket !== undefined) return connected(ctx, connect({ path: options.unixSocket }), 'connect');
  const { proxy, target } = options;
  if (proxy !== undefined) return throughProxy(ctx, proxy, target);
  return connected(ctx, tcp(bareHost(target), portOf(target)), 'connect');
}

function tcp(host: string, port: number): Socket {
  return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs });
}

/** Waits for `event`; a failure or a cancelled context destroys the socket. */
function connected<S extends Socket>(ctx: Context, socket: S, event: string): Promise<S> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => finish(() => reject(ctx.signal.reason), true);
    const onError = (error: Error): void => finish(() => reject(error), true);
    const onClose = (): void => finish(() => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })), true);
    const onEvent = (): void => finish(() => resolve(socket), false);
    const finish = (settle: () => void, failed: boolean): void => {
      ctx.signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose).off(event, onEvent);
      if (failed) socket.on('error', () => undefined).destroy();
      settle();
    };
    ctx.signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError).once('close', onClose).once(event, onEvent);
    if (ctx.signal.aborted) onAbort();
  });
}

async function throughProxy(ctx: Context, proxy: Proxy, target: URL): Promise<Socket> {
  const name = `${proxy.host}:${proxy.port}`;
  try {
    const raw = await connected(ctx, tcp(proxy.host, proxy.port), 'connect');
    const hop = proxy.secure
      ? await connected(
          ctx,
          tlsConnect({ socket: raw, host: proxy.host, ...serverNameOf(proxy.host) }),
          'secureConnect',
        )
      : raw;
    return await tunnel(ctx, hop, proxy, target);
  } catch (cause) {
    const inner = connectionError(cause, `proxy ${name}`);
    if (ctx.signal.aborted || inner.code === 'ProxyFailed') throw inner;
    throw httpErrors.error('ProxyFailed', `no way to ${target.host}: ${inner.message}`, { cause });
  }
}

function tunnel(ctx: Context, hop: Socket, proxy: Proxy, target: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const path = `${target.hostname}:${portOf(target)}`;
    const headers = {
      host: path,
      ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
    };
    const request = httpRequest({
      method: 'CONNECT',
      path,
      headers,
      createConnection: () => hop,
      signal: ctx.signal,
    });
    request.once('error', (error) => {
      hop.destroy();
      reject(error);
    });
    request.once('connect', (response, socket: Socket, head) => {
      if (response.statusCode === 200 && head.length === 0) return resolve(socket);
      socket.destroy();
      const status = `${response.statusCode ?? 0} ${response.statusMessage ?? ''}`.trim();
      reject(
        httpErrors.error('ProxyFailed', `the proxy ${proxy.host}:${proxy.port} answered ${status} to CONNECT ${path}`),
      );
    });
    request.end();
  });
}

interface Securing {
  readonly options: DialOptions;
  readonly secure: SecureContext;
  readonly address: string;
  readonly alpn: 'http/1.1' | 'h2';
}

async function secured(ctx: Context, raw: Socket, with_: Securing): Promise<TLSSocket> {
  const { tls, target } = with_.options;
  const serverName = tls.serverName ?? bareHost(target);
  // Verified below instead of by Node, so that the error can say what the certificate says.
  const socket = tlsConnect({
    socket: raw,
    secureContext: with_.secure,
    rejectUnauthorized: false,
    ALPNProtocols: [with_.alpn],
    host: serverName,
    ...serverNameOf(serverName),
  });
  await connected(ctx, socket, 'secureConnect');
  if (tls.insecure !== true && !socket.authorized) {
    const reason: unknown = socket.authorizationError;
    const code = reason instanceof Error ? ((reason as { code?: string }).code ?? reason.message) : String(reason);
    const shown = socket.getPeerCertificate();
    socket.destroy();
    throw certificateError(code, shown, { address: with_.address, serverName, nowMs: ctx.clock.now() });
  }
  if (with_.alpn === 'h2' && socket.alpnProtocol !== 'h2') {
    socket.destroy();
    throw httpErrors.error('UnexpectedProtocol', `${with_.address}: the server does not speak HTTP/2`);
  }
  return socket;
}

/** SNI carries names only; an address is verified through `host`. */
function serverNameOf(name: string): { servername?: string } {
  return isIP(name) === 0 ? { servername: name } : {};
}
