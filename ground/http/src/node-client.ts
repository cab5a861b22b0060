/** A Transport over sockets to one server. */
import type { Context } from '@polyanthus/ground-base/context';
import { createDialer, type ClientTls } from './dialer.ts';
import { httpErrors } from './errors.ts';
import { createHttp1Client } from './http1-client.ts';
import { createHttp2Client } from './http2-client.ts';
import type { HeaderValues, HttpRequest, Transport } from './message.ts';
import { proxyFor, type ProxyEnvironment } from './proxy.ts';

export interface TransportOptions {
  /** `https://host:port` or `http://…`; a path is put before every request's. */
  readonly baseUrl: string;
  readonly tls?: ClientTls;
  /** Proxy of this server alone, `http://` or `https://`; goes before the environment's. */
  readonly proxyUrl?: string | undefined;
  readonly proxyEnvironment?: ProxyEnvironment;
  /** Connects to this path; `baseUrl` then gives scheme, Host header and prefix only. */
  readonly unixSocket?: string | undefined;
  /** Asked before every request; a header that the request already has stays. */
  readonly headers?: (ctx: Context) => Promise<HeaderValues>;
  /** Requests go over this; upgrades always over HTTP/1.1. Default `http/1.1`. */
  readonly protocol?: 'http/1.1' | 'h2';
  /** Time for TCP, proxy and TLS together; default 10 s. */
  readonly connectTimeoutMs?: number;
}

/**
 * A pooled client. Errors on the way are the coded errors of this room and name the address; a body that the framing
 * does not confirm as complete throws ConnectionBroken. Throws TlsMaterialInvalid or ProxyUnsupported at once.
 */
export function createTransport(options: TransportOptions): Transport {
  const target = new URL(options.baseUrl);
  const prefix = target.pathname.replace(/\/+$/, '');
  const address = options.unixSocket ?? target.host;
  const dial = createDialer({
    target,
    tls: options.tls ?? {},
    proxy:
      options.unixSocket === undefined ? proxyFor(target, options.proxyUrl, options.proxyEnvironment ?? {}) : undefined,
    unixSocket: options.unixSocket,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  });
  const http1 = createHttp1Client(dial, { address, host: target.host });
  const http2 = options.protocol === 'h2' ? createHttp2Client(dial, { address, target }) : undefined;
  let closed = false;
  const prepared = async (ctx: Context, request: HttpRequest): Promise<HttpRequest> => {
    if (closed) throw httpErrors.error('TransportClosed', `a request to ${address} was sent on a closed transport`);
    const extra = options.headers === undefined ? {} : await options.headers(ctx);
    return { ...request, url: prefix + request.url, headers: { ...extra, ...request.headers } };
  };
  return {
    request: async (ctx, request) => (http2 ?? http1).request(ctx, await prepared(ctx, request)),
    upgrade: async (ctx, request) => http1.upgrade(ctx, await prepared(ctx, request)),
    close: async () => {
      closed = true;
      http1.close();
      http2?.close();
    },
  };
}
