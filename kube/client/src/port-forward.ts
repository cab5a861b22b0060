/** Connections to ports of a pod through the API. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { relay } from '@polyanthus/ground-http/relay';
import type { Transport } from '@polyanthus/ground-http/message';
import { openPortForward, type PortForwardSession } from '@polyanthus/kube-stream/port-forward-client';

export interface PortForwardOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly random: Random;
  /** Default: WebSocket, then SPDY when that is refused. */
  readonly protocols?: readonly ('websocket' | 'spdy')[];
}

/** Opens one session to a pod; its `connect(ctx, port)` gives a Duplex for each connection. Errors as `openPortForward`. */
export function portForward(
  ctx: Context,
  transport: Transport,
  options: PortForwardOptions,
): Promise<PortForwardSession> {
  const { namespace, pod, random, protocols } = options;
  const url = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward`;
  return openPortForward(ctx, transport, { url, random, ...(protocols === undefined ? {} : { protocols }) });
}

export interface LocalForward {
  readonly host: string;
  readonly port: number;
  /** Stops listening and cuts what is open. */
  close(): Promise<void>;
}

/**
 * Listens on `host` and `localPort` (0: a free one) and forwards each connection to `port` of the session's pod. A
 * connection that fails is logged and cut. It ends with the session or `ctx`. Throws what listening throws.
 */
export async function listenAndForward(
  ctx: Context,
  session: PortForwardSession,
  options: { readonly host: string; readonly localPort: number; readonly port: number },
): Promise<LocalForward> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    void forwardOne(ctx, session, options.port, socket);
  });
  await listen(server, options.host, options.localPort);
  const close = async (): Promise<void> => {
    ctx.signal.removeEventListener('abort', stop);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of open) socket.destroy();
    await closed;
  };
  const stop = (): void => void close();
  ctx.signal.addEventListener('abort', stop, { once: true });
  void session.ended.then(stop);
  return { host: options.host, port: (server.address() as AddressInfo).port, close };
}

async function forwardOne(ctx: Context, session: PortForwardSession, port: number, socket: Socket): Promise<void> {
  try {
    const result = await relay(ctx, socket, await session.connect(ctx, port));
    if (result.error !== undefined) ctx.log.warn('a forwarded connection broke', { port, error: result.error });
  } catch (error) {
    ctx.log.warn('a connection could not be forwarded', { port, error });
    socket.destroy();
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
