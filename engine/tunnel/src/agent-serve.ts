/** The agent's end of a session: every stream becomes a request to the member's kube-apiserver. */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import { discardBody, linkedSignal } from '@polyanthus/ground-http/guard';
import { header } from '@polyanthus/ground-http/headers';
import type { Body, HeaderValues, HttpRequest, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { relay } from '@polyanthus/ground-http/relay';
import type { Status } from '@polyanthus/kube-objects/status';
import { admitMemberRequest } from './agent-admit.ts';
import { endsStream, fromRaw, toOutgoing } from './h2.ts';
import { declaredLength, endToEnd, withoutLength } from './hop-headers.ts';
import { readStream, resetStream, watchForEnd, writeStream } from './stream-body.ts';
import { warningValue } from './warning.ts';
import { controlAuthority, methodHeader, upgradedHeader } from './wire.ts';

/** What a session of the agent needs. */
export interface AgentServeOptions {
  /** Reaches the member's kube-apiserver with the agent's own credentials. */
  readonly member: Transport;
  /** The hub's control stream: lines come in by `body`, what it returns goes back. */
  readonly control: (ctx: Context, body: Body) => AsyncIterable<Uint8Array>;
}

/** Made once: an abort without a reason makes an exception with a stack for every stream. */
const streamOver = new Error('the stream is over');

/** Serves the session until it ends; `ctx` ends every request under way. */
export function serveMember(ctx: Context, session: ServerHttp2Session, options: AgentServeOptions): void {
  session.on('stream', (stream, headers, flags, raw?: readonly string[]) => {
    stream.on('error', () => undefined);
    const { controller, release } = linkedSignal(ctx.signal);
    const inner: Context = { ...ctx, signal: controller.signal };
    stream.once('close', () => {
      release();
      controller.abort(streamOver);
    });
    const own = fromRaw(raw ?? []);
    const end = watchForEnd(stream);
    const body = endsStream(flags) ? null : readStream(stream, end, { keep: true });
    void serveStream(inner, stream, { headers, own, body }, options).catch((error: unknown) => {
      if (!inner.signal.aborted) ctx.log.warn('an answer of the member was not delivered', { error });
      resetStream(stream, error);
    });
  });
}

interface Incoming {
  readonly headers: IncomingHttpHeaders;
  readonly own: HeaderValues;
  readonly body: Body;
}

async function serveStream(
  ctx: Context,
  stream: ServerHttp2Stream,
  incoming: Incoming,
  options: AgentServeOptions,
): Promise<void> {
  if (incoming.headers[':authority'] === controlAuthority) {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    return writeStream(stream, options.control(ctx, incoming.body));
  }
  const upgrade = incoming.headers[':method'] === 'CONNECT' ? (incoming.headers[':protocol'] ?? '') : undefined;
  const request: HttpRequest = {
    method:
      upgrade === undefined ? (incoming.headers[':method'] ?? 'GET') : (header(incoming.own, methodHeader) ?? 'GET'),
    url: incoming.headers[':path'] ?? '/',
    headers: incoming.own,
    body: upgrade === undefined ? incoming.body : null,
  };
  const admitted = admitMemberRequest(request);
  if (admitted.kind === 'refused') return answer(stream, statusResponse(admitted.status), request.method);
  const outgoing = { ...request, headers: admitted.headers };
  return upgrade === undefined
    ? forward(ctx, stream, outgoing, options.member)
    : forwardUpgrade(ctx, stream, outgoing, upgrade, options.member);
}

async function forward(
  ctx: Context,
  stream: ServerHttp2Stream,
  request: HttpRequest,
  member: Transport,
): Promise<void> {
  let response: HttpResponse;
  try {
    response = await member.request(ctx, request);
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    ctx.log.warn("the member's kube-apiserver did not answer", { error });
    return answer(stream, statusResponse(memberAway(error)), request.method);
  }
  return answer(stream, response, request.method);
}

async function forwardUpgrade(
  ctx: Context,
  stream: ServerHttp2Stream,
  request: HttpRequest,
  protocol: string,
  member: Transport,
): Promise<void> {
  let result: Awaited<ReturnType<Transport['upgrade']>>;
  try {
    result = await member.upgrade(ctx, {
      ...request,
      headers: { ...request.headers, connection: 'Upgrade', upgrade: protocol },
    });
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    return answer(stream, statusResponse(memberAway(error)));
  }
  if (result.kind === 'refused') return answer(stream, result.response);
  stream.respond({ ':status': 200, [upgradedHeader]: '1', ...toOutgoing(withoutLength(endToEnd(result.headers))) });
  await relay(ctx, stream, result.socket, { headFromB: result.head });
}

async function answer(stream: ServerHttp2Stream, response: HttpResponse, method = 'GET'): Promise<void> {
  const own = endToEnd(response.headers);
  // Node gives these no body of its own accord, and then no trailers either.
  const bodiless = method === 'HEAD' || [204, 205, 304].includes(response.status);
  if (bodiless) discardBody(response.body);
  const body = bodiless ? null : response.body;
  const lengthStays = body !== null || method === 'HEAD' || response.status === 304;
  const head = { ':status': response.status, ...toOutgoing(lengthStays ? own : withoutLength(own)) };
  if (body === null) {
    stream.respond(head, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  await writeStream(stream, body, declaredLength(own));
}

function statusResponse(status: Status): HttpResponse {
  return {
    status: status.code,
    headers: {
      'content-type': 'application/json',
      ...(status.code === 503 ? { warning: warningValue(status.message ?? '') } : {}),
    },
    body: Buffer.from(JSON.stringify(status)),
  };
}

function memberAway(error: unknown): Status {
  const message = `the agent cannot reach the kube-apiserver of its cluster: ${describeError(error)}; look at the agent's log in the member`;
  return {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message,
    reason: 'ServiceUnavailable',
    code: 503,
  };
}
