/** Requests over pooled HTTP/1.1 connections, and upgrades over fresh ones. */
import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import { connectionError } from './client-errors.ts';
import type { Dialer } from './dialer.ts';
import { httpErrors } from './errors.ts';
import { guardBody } from './guard.ts';
import { isBodiless } from './headers.ts';
import { httpLimits } from './limits.ts';
import type { HttpRequest, HttpResponse, UpgradeResult } from './message.ts';
import { sendBody } from './send-body.ts';
import { headerValues, outgoingHeaders, wireFields } from './wire-headers.ts';

/** One server over HTTP/1.1. */
export interface Http1Client {
  request(ctx: Context, request: HttpRequest): Promise<HttpResponse>;
  upgrade(ctx: Context, request: HttpRequest): Promise<UpgradeResult>;
  close(): void;
}

const ignore = (): void => undefined;

/** Idle connections that are kept: below the callers of a busy member every second request would pay a TLS handshake. */
const maxFreeSockets = 512;

/** `address` is for messages; `host` is the Host header when the request has none. */
export function createHttp1Client(dial: Dialer, at: { readonly address: string; readonly host: string }): Http1Client {
  const pool = new DialingAgent(dial, true);
  const fresh = new DialingAgent(dial, false);
  return {
    request: async (ctx, request) => {
      try {
        return await exchange(ctx, request, { agent: pool, ...at });
      } catch (error) {
        // A pooled connection that the server had just closed: nothing was read, and the request changes nothing.
        if (!(error instanceof StaleConnection)) throw error;
        if (!repeatable(request)) throw error.reason;
        // On a connection of its own: when the server has died, all of the pool are stale.
        return exchange(ctx, request, { agent: fresh, ...at });
      }
    },
    upgrade: (ctx, request) => upgrade(ctx, request, { agent: fresh, ...at }),
    close: () => pool.drain(),
  };
}

interface Via {
  readonly agent: DialingAgent;
  readonly address: string;
  readonly host: string;
}

/** The pooled connection ended before a byte of the answer; carries the error to throw when it is not repeated. */
class StaleConnection extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('stale connection');
    this.reason = reason;
  }
}

/** Node's pool over our own dialer. */
class DialingAgent extends Agent {
  readonly #dial: Dialer;

  constructor(dial: Dialer, keepAlive: boolean) {
    super({ keepAlive, maxFreeSockets, scheduling: 'lifo', timeout: httpLimits.idleTimeoutMs / 2 });
    this.#dial = dial;
  }

  override createConnection(options: object, callback?: (error: Error | null, socket: Duplex) => void): null {
    const { dialContext } = options as { dialContext?: Context };
    if (dialContext === undefined || callback === undefined) throw new Error('a request without its context');
    void this.#deliver(dialContext, callback);
    return null;
  }

  async #deliver(ctx: Context, callback: (error: Error | null, socket: Duplex) => void): Promise<void> {
    const dialled = await this.#dial(ctx, 'http/1.1').catch((error: unknown) => error as Error);
    if (dialled instanceof Error) callback(dialled, undefined as unknown as Duplex);
    else callback(null, dialled);
  }

  /** Closes what is idle; connections in use close when they become so. */
  drain(): void {
    this.maxFreeSockets = 0;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}

function begin(ctx: Context, request: HttpRequest, via: Via, upgrading: boolean): ClientRequest {
  const headers = upgrading ? { ...request.headers } : outgoingHeaders(request.headers);
  headers['host'] ??= via.host;
  if (request.body instanceof Uint8Array) headers['content-length'] = String(request.body.length);
  const options = {
    agent: via.agent,
    method: request.method,
    path: request.url,
    headers,
    maxHeaderSize: httpLimits.nodeHeaderBytesMax,
    dialContext: ctx,
  };
  const outgoing = httpRequest(options as RequestOptions);
  // Node's default of 1000 pairs drops the rest in silence.
  outgoing.maxHeadersCount = httpLimits.nodeHeaderPairsMax;
  return outgoing;
}

function exchange(ctx: Context, request: HttpRequest, via: Via): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = begin(ctx, request, via, false);
    const unlink = destroyWith(ctx, outgoing);
    let sending: { error?: unknown } = {};
    outgoing.once('response', (incoming) => {
      resolve(answer(ctx, { incoming, outgoing, unlink, address: via.address }));
    });
    outgoing.on('error', (error) => {
      unlink();
      if (ctx.signal.aborted) return reject(cancelled(ctx.signal));
      if (sending.error !== undefined) return reject(sending.error as Error);
      const coded = connectionError(error, via.address);
      reject(outgoing.reusedSocket && coded.code === 'ConnectionBroken' ? new StaleConnection(coded) : coded);
    });
    sending = sendBody(ctx, request.body, outgoing, (error) => outgoing.destroy(error as Error));
  });
}

interface Arrived {
  readonly incoming: IncomingMessage;
  readonly outgoing: ClientRequest;
  readonly unlink: () => void;
  readonly address: string;
}

function answer(ctx: Context, arrived: Arrived): HttpResponse {
  const { incoming, outgoing, unlink } = arrived;
  incoming.once('close', unlink);
  incoming.on('error', ignore);
  const status = incoming.statusCode ?? 0;
  const headers = headerValues(wireFields(incoming.rawHeaders));
  if (isBodiless(outgoing.method, status, headers)) {
    incoming.resume();
    return { status, headers, body: null };
  }
  return { status, headers, body: guardBody(ctx, whole(arrived), { done: ignore, stopped: () => outgoing.destroy() }) };
}

/** The pieces as they arrive; an end that the framing does not confirm is an error. */
async function* whole(arrived: Arrived): AsyncGenerator<Uint8Array> {
  const { incoming, address } = arrived;
  try {
    for await (const piece of incoming) yield piece as Uint8Array;
  } catch (cause) {
    throw httpErrors.error('ConnectionBroken', `${address}: the connection ended before the answer was complete`, {
      cause,
    });
  }
  if (!incoming.complete)
    throw httpErrors.error('ConnectionBroken', `${address}: the connection ended before the answer was complete`);
}

function upgrade(ctx: Context, request: HttpRequest, via: Via): Promise<UpgradeResult> {
  return new Promise((resolve, reject) => {
    const outgoing = begin(ctx, request, via, true);
    const unlink = destroyWith(ctx, outgoing);
    outgoing.once('upgrade', (incoming, socket, head) => {
      unlink();
      socket.on('error', ignore);
      socket.setTimeout(0);
      socket.once('close', destroyWith(ctx, socket));
      resolve({ kind: 'upgraded', headers: headerValues(wireFields(incoming.rawHeaders)), socket, head });
    });
    outgoing.once('response', (incoming) => {
      resolve({ kind: 'refused', response: answer(ctx, { incoming, outgoing, unlink, address: via.address }) });
    });
    outgoing.on('error', (error) => {
      unlink();
      reject(ctx.signal.aborted ? cancelled(ctx.signal) : connectionError(error, via.address));
    });
    sendBody(ctx, request.body, outgoing, (error) => outgoing.destroy(error as Error));
  });
}

/** Destroys `what` when the context is cancelled; call the result once it is over. */
function destroyWith(ctx: Context, what: ClientRequest | Socket): () => void {
  const onAbort = (): void => void what.destroy();
  if (ctx.signal.aborted) onAbort();
  else ctx.signal.addEventListener('abort', onAbort, { once: true });
  return () => ctx.signal.removeEventListener('abort', onAbort);
}

function repeatable(request: HttpRequest): boolean {
  return (
    request.body === null && (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS')
  );
}
