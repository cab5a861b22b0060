/** A Handler as a Transport without sockets: what tests, sandboxes and one-process hubs use. */
import { duplexPair, type Duplex } from 'node:stream';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { flatHeaders, headerFault, plainError, type RenderError } from './admission.ts';
import { httpErrors } from './errors.ts';
import { clientGone, discardBody, guardBody, linkedSignal } from './guard.ts';
import { contentLength } from './headers.ts';
import type { Handler, HttpRequest, HttpResponse, Peer, ServerRequest, ServerResponse, Transport } from './message.ts';

/**
 * Calls `handler` as a server would: same header limits, same cancellation, a body that throws in the middle is
 * ConnectionBroken, a handler that throws is a 500 worded by `renderError`. Whole bodies are passed by reference.
 */
export function inProcessTransport(
  handler: Handler,
  peer: Peer = { address: 'in-process' },
  options: { readonly renderError?: RenderError } = {},
): Transport {
  const render = options.renderError ?? plainError;
  let closed = false;
  const call = (ctx: Context, request: HttpRequest): Promise<Exchange> => {
    if (closed) throw httpErrors.error('TransportClosed', 'a request was sent on a closed in-process transport');
    return exchange(ctx, handler, { ...request, peer }, render);
  };
  return {
    request: async (ctx, request) => {
      const { response, ended, abort } = await call(ctx, request);
      if (response.upgrade !== undefined)
        throw new Error(`${request.method} ${request.url} was answered by an upgrade that nobody asked for`);
      return plain(ctx, request.method === 'HEAD' ? withoutBody(response) : response, ended, abort);
    },
    upgrade: async (ctx, request) => {
      const { response, ended, abort } = await call(ctx, request);
      if (response.upgrade === undefined) return { kind: 'refused', response: plain(ctx, response, ended, abort) };
      const [client, server] = joinedPair();
      const onAbort = (): void => void client.destroy();
      ctx.signal.addEventListener('abort', onAbort, { once: true });
      server.once('close', () => {
        ctx.signal.removeEventListener('abort', onAbort);
        ended();
        abort(clientGone());
      });
      response.upgrade(server, new Uint8Array(0));
      return { kind: 'upgraded', headers: response.headers, socket: client, head: new Uint8Array(0) };
    },
    close: async () => {
      closed = true;
    },
  };
}

/** Two ends of one stream; destroying one before its end destroys the other, as with a socket. */
function joinedPair(): [Duplex, Duplex] {
  const [a, b] = duplexPair();
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => undefined);
    from.once('close', () => (from.readableEnded && from.writableFinished ? undefined : to.destroy()));
  }
  return [a, b];
}

const ignore = (): void => undefined;

interface Exchange {
  readonly response: ServerResponse;
  readonly ended: () => void;
  readonly abort: (reason: unknown) => void;
}

async function exchange(
  ctx: Context,
  handler: Handler,
  request: ServerRequest,
  render: RenderError,
): Promise<Exchange> {
  const fault = headerFault(flatHeaders(request.headers));
  const { controller, release } = linkedSignal(ctx.signal);
  const abort = (reason: unknown): void => {
    release();
    controller.abort(reason);
  };
  if (fault !== undefined) {
    discardBody(request.body);
    return { response: { status: 431, ...render(431, fault) }, ended: release, abort };
  }
  const inner: Context = { ...ctx, signal: controller.signal };
  // As over a socket: a request whose body breaks off is given up by its sender.
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(ignore);
  const body = guardBody(inner, request.body, {
    done: ignore,
    stopped: ignore,
    failed: (error) => broken.reject(error),
  });
  const answer = (async () => handler(inner, { ...request, body }))().catch((error: unknown): ServerResponse => {
    if (!controller.signal.aborted) ctx.log.error('a handler threw', { method: request.method, error });
    return { status: 500, ...render(500, 'internal error') };
  });
  try {
    return { response: await untilAborted(ctx, Promise.race([answer, broken.promise])), ended: release, abort };
  } catch (error) {
    abort(clientGone());
    void answer.then((late) => discardBody(late.body));
    throw error;
  }
}

function withoutBody(response: ServerResponse): ServerResponse {
  discardBody(response.body);
  return { ...response, body: null };
}

function plain(
  ctx: Context,
  response: ServerResponse,
  ended: () => void,
  abort: (reason: unknown) => void,
): HttpResponse {
  const body = guardBody(ctx, response.body, { done: ended, stopped: abort }, contentLength(response.headers));
  return { status: response.status, headers: response.headers, body };
}
