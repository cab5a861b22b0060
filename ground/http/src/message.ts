/**
 * The HTTP messages that rooms exchange, whatever carries them: a socket, a tunnel, or a function call in this process.
 * A server is a `Handler`; a client is a `Transport`. `in-process.ts` turns one into the other, `node-server.ts` and
 * `node-client.ts` put sockets between them; one conformance suite runs over both.
 */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';

/** Header names in lower case; a repeated header is an array in wire order. */
export type HeaderValues = Readonly<Record<string, string | readonly string[]>>;

/** A body: whole, or in pieces that are read once. Pieces already arrived are never merged. */
export type Body = Uint8Array | AsyncIterable<Uint8Array> | null;

/** The client certificate that TLS verified, and where the connection came from. */
export interface Peer {
  /** `ip:port`, a unix socket's path, or `in-process`. */
  readonly address: string;
  /** DER of the verified client certificate, leaf only; undefined when none was shown or it was not verified. */
  readonly certificate?: Uint8Array;
  /** Why the certificate that it showed was not good (OpenSSL's name for it: CERT_HAS_EXPIRED …). */
  readonly refusedCertificate?: string;
}

/** A request as every hop of the product sees it, whichever HTTP version or in-process call carried it. */
export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  /** Path and query as on the wire: begins with `/`, percent-encoding untouched. */
  readonly url: string;
  readonly headers: HeaderValues;
  readonly body: Body;
}

/** The answer to a request: its head is complete, its body comes as it is read. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: HeaderValues;
  /**
   * Throws in the middle when the sender ended too early: a truncated body is never a complete one. A reader that stops
   * early (return of the iterator) cancels the request.
   */
  readonly body: Body;
}

/** What a server received: the request and who is at the other end. */
export interface ServerRequest extends HttpRequest {
  readonly peer: Peer;
}

/**
 * A server's answer. With `upgrade`, the status is 101 and the socket belongs to `upgrade` once the head is written;
 * the body is then null.
 */
export interface ServerResponse extends HttpResponse {
  readonly upgrade?: (socket: Duplex, head: Uint8Array) => void;
}

/** A server as a function. `ctx.signal` is aborted when the client goes away. Throwing is a programmer error (500). */
export type Handler = (ctx: Context, request: ServerRequest) => Promise<ServerResponse>;

/** The other end's answer to an upgrade: a socket, or the plain response that refused it (relay it untouched). */
export type UpgradeResult =
  | { readonly kind: 'upgraded'; readonly headers: HeaderValues; readonly socket: Duplex; readonly head: Uint8Array }
  | { readonly kind: 'refused'; readonly response: HttpResponse };

/** A way to one server. */
export interface Transport {
  /** Resolves when the head has arrived. `ctx.signal` aborts head and body. */
  request(ctx: Context, request: HttpRequest): Promise<HttpResponse>;
  /** Sends a request with `Connection: Upgrade` (the caller sets the headers) and gives the raw stream after a 101. */
  upgrade(ctx: Context, request: HttpRequest): Promise<UpgradeResult>;
  /** Ends idle connections and refuses new requests. */
  close(): Promise<void>;
}
