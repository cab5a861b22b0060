/** One request and its answer on a server socket, HTTP/1.1 or HTTP/2. */
import { ServerResponse as NodeResponse, STATUS_CODES, type IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { flatHeaders, headerFault, type RenderError } from './admission.ts';
import { clientGone, discardBody, exchangeOver, guardBody, linkedSignal } from './guard.ts';
import { contentLength } from './headers.ts';
import type { Body, Handler, Peer, ServerRequest, ServerResponse } from './message.ts';
import { resetStream } from './reset.ts';
import { WriteWindow } from './write-window.ts';
import { encodeHead, headerValues, outgoingHeaders, wireFields } from './wire-headers.ts';

/** A request that was refused before its handler saw it: 431, 400, 408. */
export interface HttpFault {
  readonly status: number;
  readonly message: string;
  readonly peerAddress: string;
  /** What is known of the request; empty where not even its first line could be read. */
  readonly method: string;
  readonly url: string;
}

/** What all exchanges of one server share. */
export interface ServerScope {
  readonly ctx: Context;
  readonly handler: Handler;
  readonly render: RenderError;
  readonly onFault: (fault: HttpFault) => void;
  /** True once the server is closing: HTTP/1.1 answers then end their connection. */
  readonly draining: () => boolean;
}

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = NodeResponse | Http2ServerResponse;
/** The part of both answers that is used here; their own types cannot be called as a union. */
interface Writer {
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  flushHeaders(): void;
  readonly destroyed: boolean;
  write(piece: Uint8Array, sent: () => void): boolean;
  readonly socket: Pick<Duplex, 'cork' | 'uncork'> | null;
  end(piece?: Uint8Array): unknown;
  once(event: string, listener: () => void): unknown;
}

const lingerMs = 5_000;
const ignore = (): void => undefined;

/** Answers one request. Never throws; what goes wrong is logged and ends this exchange alone. */
export async function serveExchange(scope: ServerScope, peer: Peer, req: Incoming, res: Outgoing): Promise<void> {
  req.on('error', ignore);
  res.on('error', ignore);
  const { controller, release } = linkedSignal(scope.ctx.signal);
  const ctx: Context = { ...scope.ctx, signal: controller.signal };
  res.once('close', () => {
    release();
    controller.abort(res.writableFinished ? exchangeOver : clientGone());
  });
  try {
    const flat = wireFields(req.rawHeaders);
    const response = await respond(scope, ctx, { ...messageOf(req, flat), body: requestBody(ctx, req), peer }, flat);
    if (response.upgrade !== undefined) throw new Error('a handler answered an ordinary request with an upgrade');
    await write(scope, ctx, { req, res, response });
  } catch (error) {
    if (!controller.signal.aborted) scope.ctx.log.warn('an answer broke off', { method: req.method, error });
    breakOff(req, res);
  }
}

/** Serves an HTTP/1.1 upgrade request: a 101 and the socket to the handler, or its plain answer written whole. */
export async function serveUpgrade(
  scope: ServerScope,
  peer: Peer,
  req: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
): Promise<void> {
  socket.on('error', ignore);
  const { controller, release } = linkedSignal(scope.ctx.signal);
  const ctx: Context = { ...scope.ctx, signal: controller.signal };
  socket.once('close', () => {
    release();
    controller.abort(clientGone());
  });
  try {
    const flat = wireFields(req.rawHeaders);
    const response = await respond(scope, ctx, { ...messageOf(req, flat), body: null, peer }, flat);
    if (ctx.signal.aborted) return discardBody(response.body);
    if (response.upgrade === undefined) return await refuseUpgrade(scope, ctx, req, socket, response);
    socket.write(
      encodeHead(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`, flatHeaders(response.headers)),
      'latin1',
    );
    response.upgrade(socket, head);
  } catch (error) {
    scope.ctx.log.warn('an upgrade broke off', { method: req.method, error });
    socket.destroy();
  }
}

/** An answer outside of any exchange, for a request that Node could not parse. */
export function writeFault(render: RenderError, socket: Duplex, status: number, message: string): void {
  const { headers, body } = render(status, message);
  const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
  const flat = [...flatHeaders(headers), 'content-length', String(bytes.length), 'connection', 'close'];
  socket.write(encodeHead(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, flat), 'latin1');
  socket.end(bytes);
}

async function respond(
  scope: ServerScope,
  ctx: Context,
  request: ServerRequest,
  flat: readonly string[],
): Promise<ServerResponse> {
  const fault = headerFault(flat);
  if (fault !== undefined) {
    const { method, url, peer } = request;
    scope.onFault({ status: 431, message: fault, peerAddress: peer.address, method, url });
    return { status: 431, ...scope.render(431, fault) };
  }
  try {
    return await scope.handler(ctx, request);
  } catch (error) {
    if (!ctx.signal.aborted) scope.ctx.log.error('a handler threw', { method: request.method, error });
    return { status: 500, ...scope.render(500, 'internal error') };
  }
}

function messageOf(req: Incoming, flat: readonly string[]): Pick<ServerRequest, 'method' | 'url' | 'headers'> {
  return { method: req.method ?? 'GET', url: req.url ?? '/', headers: headerValues(flat) };
}

function requestBody(ctx: Context, req: Incoming): Body {
  const empty =
    'stream' in req
      ? req.stream.endAfterHeaders
      : req.headers['transfer-encoding'] === undefined && (req.headers['content-length'] ?? '0') === '0';
  if (empty) return null;
  // Destroying a request that is not read to its end would take the socket, and the answer, with it.
  return guardBody(ctx, wholeRequest(req), { done: ignore, stopped: ignore });
}

/** Node ends a request cleanly when its HTTP/2 stream is reset, so the reset code decides. */
async function* wholeRequest(req: Incoming): AsyncGenerator<Uint8Array> {
  for await (const piece of req.iterator({ destroyOnReturn: false })) yield piece as Uint8Array;
  const reset = 'stream' in req && (req.aborted || (req.stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR);
  if (reset || !req.complete) throw clientGone();
}

interface Answer {
  readonly req: Incoming;
  readonly res: Outgoing;
  readonly response: ServerResponse;
}

async function write(scope: ServerScope, ctx: Context, answer: Answer): Promise<void> {
  const { req, res, response } = answer;
  if (ctx.signal.aborted) return discardBody(response.body);
  const writer = res as Writer;
  const headers = outgoingHeaders(response.headers);
  const unread = !req.complete;
  if (!('stream' in req) && (scope.draining() || (unread && response.status >= 400))) headers['connection'] = 'close';
  const bodiless = req.method === 'HEAD' || response.status === 204 || response.status === 304;
  if (bodiless) {
    writer.writeHead(response.status, headers);
    writer.end();
    discardBody(response.body);
  } else if (response.body === null || response.body instanceof Uint8Array) {
    headers['content-length'] = String(response.body?.length ?? 0);
    writer.writeHead(response.status, headers);
    writer.end(response.body ?? undefined);
  } else {
    writer.writeHead(response.status, headers);
    await writeStream(ctx, writer, response.body, contentLength(response.headers));
  }
  if (unread) closeUnread(scope, req, res);
}

async function writeStream(
  ctx: Context,
  writer: Writer,
  body: AsyncIterable<Uint8Array>,
  declaredLength: number | undefined,
): Promise<void> {
  gatherRecord(writer);
  writer.flushHeaders();
  const window = new WriteWindow(writer);
  const guarded = guardBody(ctx, body, { done: ignore, stopped: ignore }, declaredLength) as AsyncIterable<Uint8Array>;
  for await (const piece of guarded) {
    const full = piece.length > 0 ? window.write(piece) : undefined;
    if (full !== undefined) await untilAborted(ctx, full);
  }
  writer.end();
}

/**
 * Head and what is already here of the body leave in one record; a head whose body waits leaves in this turn. The socket
 * is corked, never the answer: Node writes the last chunk of a corked answer before the chunks that it holds.
 */
function gatherRecord(writer: Writer): void {
  if ('stream' in writer) return;
  const { socket } = writer;
  socket?.cork();
  setImmediate(() => socket?.uncork());
}

/** The sender goes on with a body that nobody reads: it gets a while to see the answer, then the exchange is cut. */
function closeUnread(scope: ServerScope, req: Incoming, res: Outgoing): void {
  req.resume();
  const timer = scope.ctx.clock.after(lingerMs, () => (req.complete ? undefined : breakOff(req, res)), { unref: true });
  req.once('close', () => timer.cancel());
}

/** Ends an exchange so that nobody takes what was sent for the whole. */
function breakOff(req: Incoming, res: Outgoing): void {
  if (!('stream' in res)) req.socket?.destroy();
  else if (res.stream !== undefined) resetStream(res.stream, 'failed');
}

/** A refusal goes through Node's own writer and ends the connection: what follows an upgrade request has no framing. */
async function refuseUpgrade(
  scope: ServerScope,
  ctx: Context,
  req: IncomingMessage,
  socket: Duplex,
  response: ServerResponse,
): Promise<void> {
  const res = new NodeResponse(req);
  res.shouldKeepAlive = false;
  res.on('error', ignore);
  res.assignSocket(socket as Parameters<NodeResponse['assignSocket']>[0]);
  res.once('finish', () => socket.end());
  await write(scope, ctx, { req, res, response });
}
