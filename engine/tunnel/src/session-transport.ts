/** The hub's end of a session: requests are streams, upgrades are extended CONNECT (RFC 8441). */
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import { httpErrors } from '@polyanthus/ground-http/errors';
import { header } from '@polyanthus/ground-http/headers';
import type { Body, HeaderValues, HttpRequest, HttpResponse, UpgradeResult } from '@polyanthus/ground-http/message';
import { tunnelErrors } from './errors.ts';
import { endsStream, fromRaw, toOutgoing } from './h2.ts';
import { declaredLength, endToEnd, withoutLength } from './hop-headers.ts';
import { readStream, resetStream, watchForEnd, writeStream, type ReadPace } from './stream-body.ts';
import { memberAuthority, methodHeader, upgradedHeader } from './wire.ts';

interface Head {
  readonly stream: ClientHttp2Stream;
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: Body;
}

/** What a caller of one stream may want to know. */
export interface StreamOptions {
  readonly authority?: string;
  /** Headers of our own, which `endToEnd` would drop. */
  readonly own?: HeaderValues;
  readonly pace?: ReadPace;
  readonly onStream?: (stream: ClientHttp2Stream) => void;
  /** Called once, when the stream is over in whatever way. */
  readonly onClose?: () => void;
}

/** Sends a request on a new stream. Errors: TunnelAway when the session is gone, ConnectionBroken when it ends later. */
export async function requestOn(
  ctx: Context,
  session: ClientHttp2Session,
  request: HttpRequest,
  options: StreamOptions = {},
): Promise<HttpResponse> {
  const own = endToEnd(request.headers);
  const head = {
    ':method': request.method,
    ':path': request.url,
    ':scheme': 'https',
    ':authority': options.authority ?? memberAuthority,
    ...toOutgoing({ ...(request.body === null ? withoutLength(own) : own), ...options.own }),
  };
  const { status, headers, body } = await send(ctx, session, head, request.body, options);
  return { status, headers, body };
}

/** Asks the member to switch protocols; a refusal keeps its status, headers and body. */
export async function upgradeOn(
  ctx: Context,
  session: ClientHttp2Session,
  request: HttpRequest,
  options: StreamOptions = {},
): Promise<UpgradeResult> {
  const protocol = header(request.headers, 'upgrade') ?? '';
  const head = {
    ':method': 'CONNECT',
    ':protocol': protocol,
    ':path': request.url,
    ':scheme': 'https',
    ':authority': options.authority ?? memberAuthority,
    ...toOutgoing({ ...withoutLength(endToEnd(request.headers)), ...options.own, [methodHeader]: request.method }),
  };
  const answer = await send(ctx, session, head, 'pipe', options);
  if (header(answer.headers, upgradedHeader) === undefined) {
    const { status, body } = answer;
    return { kind: 'refused', response: { status, headers: endToEnd(answer.headers), body } };
  }
  const headers = { ...endToEnd(answer.headers), connection: 'Upgrade', upgrade: protocol };
  return { kind: 'upgraded', headers, socket: answer.stream, head: new Uint8Array(0) };
}

async function send(
  ctx: Context,
  session: ClientHttp2Session,
  head: Record<string, string | string[]>,
  body: Body | 'pipe',
  options: StreamOptions,
): Promise<Head> {
  const stream = openStream(session, head, body, options);
  const abort = (): void => resetStream(stream, cancelled(ctx.signal));
  ctx.signal.addEventListener('abort', abort, { once: true });
  stream.once('close', () => ctx.signal.removeEventListener('abort', abort));
  if (ctx.signal.aborted) abort();
  if (body !== null && body !== 'pipe') void writeStream(stream, body, declaredLength(head)).catch(() => undefined);
  try {
    return await answerOf(stream, body === 'pipe', options);
  } catch (error) {
    throw ctx.signal.aborted ? cancelled(ctx.signal) : error;
  }
}

function openStream(
  session: ClientHttp2Session,
  head: Record<string, string | string[]>,
  body: Body | 'pipe',
  options: StreamOptions,
): ClientHttp2Stream {
  if (session.closed || session.destroyed) {
    options.onClose?.();
    throw tunnelErrors.error('TunnelAway', 'the tunnel is closed');
  }
  try {
    const stream = session.request(head, {
      endStream: body === null,
      waitForTrailers: body !== null && body !== 'pipe',
    });
    stream.on('error', () => undefined);
    stream.once('close', () => options.onClose?.());
    options.onStream?.(stream);
    return stream;
  } catch (cause) {
    options.onClose?.();
    throw tunnelErrors.error('TunnelAway', 'the tunnel takes no more requests', { cause });
  }
}

function answerOf(stream: ClientHttp2Stream, pipe: boolean, options: StreamOptions): Promise<Head> {
  return new Promise((resolve, reject) => {
    const end = watchForEnd(stream);
    const closed = (): void =>
      reject(httpErrors.error('ConnectionBroken', 'the tunnel ended before the member answered'));
    stream.once('close', closed);
    stream.once('response', (headers, flags, raw?: readonly string[]) => {
      stream.off('close', closed);
      const all = fromRaw(raw ?? []);
      const upgraded = pipe && all[upgradedHeader] !== undefined;
      const body =
        endsStream(flags) || upgraded
          ? null
          : readStream(stream, end, options.pace === undefined ? {} : { pace: options.pace });
      if (pipe && !upgraded) stream.end();
      // An answer that came whole before the request did: nobody will read the rest of the request.
      if (!pipe) stream.once('end', () => !stream.writableEnded && resetStream(stream, new Error('answered early')));
      if (body === null && !upgraded) stream.resume();
      if (body !== null) options.pace?.handedOut();
      resolve({ stream, status: headers[':status'] ?? 502, headers: all, body });
    });
  });
}
