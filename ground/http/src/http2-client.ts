/** Requests over HTTP/2: few sessions, many streams. */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import { connectionError } from './client-errors.ts';
import type { Dialer } from './dialer.ts';
import { httpErrors } from './errors.ts';
import { guardBody } from './guard.ts';
import { isBodiless } from './headers.ts';
import { http2Options, widenSession } from './http2-options.ts';
import type { HttpRequest, HttpResponse } from './message.ts';
import { resetStream } from './reset.ts';
import { sendBody } from './send-body.ts';
import { headerValues, outgoingHeaders, wireFields } from './wire-headers.ts';

/** One server over HTTP/2. */
export interface Http2Client {
  request(ctx: Context, request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** Silence after which a session with open streams is asked whether it lives, and the time for its answer. */
const silenceMs = 30_000;
const pingTimeoutMs = 15_000;
const ignore = (): void => undefined;

interface Session {
  readonly http2: ClientHttp2Session;
  open: number;
}

/** `target` gives scheme and authority; `address` is for messages. */
export function createHttp2Client(dial: Dialer, at: { readonly address: string; readonly target: URL }): Http2Client {
  const sessions = new Set<Session>();
  let dialing: Promise<Session> | undefined;
  const session = async (ctx: Context): Promise<Session> => {
    for (const one of sessions) if (hasRoom(one)) return one;
    dialing ??= openSession(ctx, dial, at.target, sessions).finally(() => (dialing = undefined));
    try {
      return await dialing;
    } catch (error) {
      // The dial belonged to a request that was cancelled; this one was not.
      if (ctx.signal.aborted || (error as { code?: string }).code !== 'Cancelled') throw error;
      return session(ctx);
    }
  };
  const once = async (ctx: Context, request: HttpRequest): Promise<HttpResponse> =>
    exchange(ctx, request, await session(ctx), at);
  return {
    request: async (ctx, request) => {
      try {
        return await once(ctx, request);
      } catch (error) {
        // The server says that it has not looked at the stream: repeating it is safe for every method (RFC 9113 8.7).
        if (!(error instanceof Refused)) throw error;
        if (request.body !== null && !(request.body instanceof Uint8Array)) throw error.reason;
        return once(ctx, request).catch((again: unknown) => {
          throw again instanceof Refused ? again.reason : again;
        });
      }
    },
    close: () => {
      for (const one of sessions) one.http2.close();
    },
  };
}

class Refused extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('stream refused');
    this.reason = reason;
  }
}

function hasRoom(one: Session): boolean {
  const { http2 } = one;
  return !http2.closed && !http2.destroyed && one.open < (http2.remoteSettings?.maxConcurrentStreams ?? 100);
}

async function openSession(ctx: Context, dial: Dialer, target: URL, sessions: Set<Session>): Promise<Session> {
  const socket = await dial(ctx, 'h2');
  const http2 = connect(target, { ...http2Options(), createConnection: () => socket });
  const one: Session = { http2, open: 0 };
  sessions.add(one);
  http2.on('error', ignore);
  http2.once('connect', () => widenSession(http2));
  http2.once('goaway', () => sessions.delete(one));
  http2.once('close', () => sessions.delete(one));
  http2.setTimeout(silenceMs, () => onSilence(ctx, one));
  return one;
}

function onSilence(ctx: Context, one: Session): void {
  const { http2 } = one;
  if (http2.destroyed) return;
  if (one.open === 0) return http2.close();
  const timer = ctx.clock.after(pingTimeoutMs, () => http2.destroy(silent()), { unref: true });
  http2.ping(() => timer.cancel());
}

function silent(): Error {
  return httpErrors.error(
    'ConnectionBroken',
    `the HTTP/2 session gave no sign of life for ${silenceMs + pingTimeoutMs} ms`,
  );
}

function exchange(
  ctx: Context,
  request: HttpRequest,
  session: Session,
  at: { readonly address: string; readonly target: URL },
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const { host, ...headers } = outgoingHeaders(request.headers);
    if (request.body instanceof Uint8Array) headers['content-length'] = String(request.body.length);
    const pseudo = {
      ':method': request.method,
      ':path': request.url,
      ':scheme': at.target.protocol.slice(0, -1),
      ':authority': host ?? at.target.host,
    };
    let stream: ClientHttp2Stream;
    try {
      stream = session.http2.request({ ...pseudo, ...headers } as Record<string, string | string[]>, {
        endStream: request.body === null,
      });
    } catch (error) {
      return reject(new Refused(connectionError(error, at.address)));
    }
    session.open++;
    const onAbort = (): void => resetStream(stream, 'cancelled');
    ctx.signal.addEventListener('abort', onAbort, { once: true });
    let sending: { error?: unknown } = {};
    let failure: unknown;
    stream.on('error', (error) => (failure = error));
    stream.once('response', (_headers, _flags, ...rest: unknown[]) => {
      const headers = headerValues(wireFields((rest[0] ?? []) as string[]));
      const status = Number(_headers[':status']);
      const bodiless = isBodiless(request.method, status, headers);
      if (bodiless) stream.resume();
      const stopped = (): void => resetStream(stream, 'cancelled');
      resolve({
        status,
        headers,
        body: bodiless ? null : guardBody(ctx, whole(stream, at.address), { done: ignore, stopped }),
      });
    });
    stream.once('close', () => {
      session.open--;
      ctx.signal.removeEventListener('abort', onAbort);
      // Without effect when the head has arrived.
      if (ctx.signal.aborted) return reject(cancelled(ctx.signal));
      if (sending.error !== undefined) return reject(sending.error as Error);
      const coded = connectionError(failure ?? { code: 'ECONNRESET' }, at.address);
      reject(stream.rstCode === constants.NGHTTP2_REFUSED_STREAM ? new Refused(coded) : coded);
    });
    if (ctx.signal.aborted) onAbort();
    if (request.body !== null) sending = sendBody(ctx, request.body, stream, () => resetStream(stream, 'failed'));
  });
}

/** The pieces as they arrive. Node ends the stream cleanly for some resets, so the reset code decides. */
async function* whole(stream: ClientHttp2Stream, address: string): AsyncGenerator<Uint8Array> {
  let cause: unknown;
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (error) {
    cause = error;
  }
  if (cause !== undefined || stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR) {
    throw httpErrors.error('ConnectionBroken', `${address}: the stream ended before the answer was complete`, {
      cause,
    });
  }
}
