/** The server's side of exec and attach: negotiates WebSocket channels or SPDY and hands the streams to a callback. */
import type { Duplex, Readable, Writable } from 'node:stream';
import { sleep, withCancel, withSignal, type Context } from '@polyanthus/ground-base/context';
import { acceptWebSocket, isWebSocketRequest } from '@polyanthus/ground-http/websocket-handshake';
import type { ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import { channelProtocols, channels, ChannelConnection } from './channels.ts';
import {
  encodeStatus,
  failureStatus,
  remoteCommandProtocol,
  streamTypeHeader,
  terminalSizes,
  type CommandStatus,
  type RemoteCommandOptions,
  type RemoteCommandStreams,
} from './remote-command.ts';
import { SpdySession } from './spdy.ts';
import { writableSide, type SpdyStream } from './spdy-stream.ts';
import { acceptSpdy } from './spdy-upgrade.ts';

/** Runs the command on its streams; how it ended is sent when it returns. `ctx` is cancelled when the client goes away. */
export type RunRemoteCommand = (ctx: Context, streams: RemoteCommandStreams) => Promise<CommandStatus>;

/** How long a SPDY client may take to open its streams (kubelet's streamCreationTimeout). */
const streamCreationTimeoutMs = 30_000;

/**
 * Answers an upgrade request with v5 or v4 channels over WebSocket, or v4 over SPDY; any other request with a plain
 * refusal. `run` begins once all streams of `options` are there; when it throws, the client gets an InternalError.
 */
export function serveRemoteCommand(
  ctx: Context,
  request: ServerRequest,
  options: RemoteCommandOptions,
  run: RunRemoteCommand,
): ServerResponse {
  if (isWebSocketRequest(request.headers)) {
    return acceptWebSocket(request, [channelProtocols.v5, channelProtocols.v4], (socket, head, protocol) => {
      void serveChannels(ctx, { socket, head, protocol: protocol ?? channelProtocols.v4 }, options, run);
    });
  }
  return acceptSpdy(
    request,
    [remoteCommandProtocol],
    (socket, head) => void serveSpdy(ctx, { socket, head }, options, run),
  );
}

async function serveChannels(
  ctx: Context,
  opened: { readonly socket: Duplex; readonly head: Uint8Array; readonly protocol: string },
  options: RemoteCommandOptions,
  run: RunRemoteCommand,
): Promise<void> {
  const connection = new ChannelConnection(ctx, opened.socket, opened.protocol, { role: 'server', head: opened.head });
  const resize = connection.reader(channels.resize);
  const streams: RemoteCommandStreams = {
    stdin: options.stdin ? connection.reader(channels.stdin) : undefined,
    stdout: options.stdout ? connection.writer(channels.stdout, false) : undefined,
    stderr: options.stderr ? connection.writer(channels.stderr, false) : undefined,
    tty: options.tty,
    sizes: terminalSizes(resize),
  };
  connection.start();
  // Tells the client that the connection stands, as kubelet does.
  connection.send(
    options.stdout ? channels.stdout : options.stderr ? channels.stderr : channels.error,
    new Uint8Array(0),
  );
  const child = withCancel(ctx);
  void connection.ended.then((end) => child.cancel(end.error));
  const status = await outcome(child.ctx, streams, run);
  await Promise.all([ended(streams.stdout), ended(streams.stderr)]);
  connection.send(channels.error, encodeStatus(status));
  connection.close(1000);
}

async function serveSpdy(
  ctx: Context,
  opened: { readonly socket: Duplex; readonly head: Uint8Array },
  options: RemoteCommandOptions,
  run: RunRemoteCommand,
): Promise<void> {
  const wanted = wantedTypes(options);
  const found = new Map<string, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const session = new SpdySession(ctx, opened.socket, {
    role: 'server',
    head: opened.head,
    resetIs: 'end',
    maxStreams: 8,
    onStream: (stream) => {
      const type = stream.headers[streamTypeHeader] ?? '';
      if (!wanted.has(type) || found.has(type)) return stream.refuse();
      found.set(type, stream);
      stream.accept();
      if (found.size === wanted.size) complete.resolve();
    },
  });
  session.start();
  const child = withCancel(ctx);
  void session.ended.then((error) => child.cancel(error));
  if (!(await inTime(child.ctx, complete.promise))) return session.destroy();
  const streams = streamsOf(found, options);
  const status = await outcome(child.ctx, streams, run);
  await Promise.all([ended(streams.stdout), ended(streams.stderr)]);
  found.get('error')?.write(encodeStatus(status));
  await session.close();
}

function wantedTypes(options: RemoteCommandOptions): ReadonlySet<string> {
  const names = { stdin: options.stdin, stdout: options.stdout, stderr: options.stderr, resize: options.tty };
  return new Set(['error', ...Object.entries(names).flatMap(([name, on]) => (on ? [name] : []))]);
}

function streamsOf(found: ReadonlyMap<string, SpdyStream>, options: RemoteCommandOptions): RemoteCommandStreams {
  // What a client sends on a stream that only we write to is thrown away.
  for (const name of ['error', 'stdout', 'stderr']) found.get(name)?.resume();
  const writable = (name: string): Writable | undefined => {
    const stream = found.get(name);
    return stream === undefined ? undefined : writableSide(stream);
  };
  const stdin: Readable | undefined = found.get('stdin');
  return {
    stdin,
    stdout: writable('stdout'),
    stderr: writable('stderr'),
    tty: options.tty,
    sizes: terminalSizes(found.get('resize')),
  };
}

/** False when the time has passed or the connection is over first. */
async function inTime(ctx: Context, complete: Promise<void>): Promise<boolean> {
  const waiting = new AbortController();
  try {
    return await Promise.race([
      complete.then(() => true),
      sleep(withSignal(ctx, waiting.signal), streamCreationTimeoutMs).then(() => false),
    ]);
  } catch {
    return false;
  } finally {
    waiting.abort();
  }
}

async function outcome(ctx: Context, streams: RemoteCommandStreams, run: RunRemoteCommand): Promise<CommandStatus> {
  try {
    return await run(ctx, streams);
  } catch (error) {
    if (!ctx.signal.aborted) ctx.log.warn('a remote command failed', { error });
    return failureStatus(`Internal error occurred: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Ends a stream and waits until its bytes are on their way. */
async function ended(stream: Writable | undefined): Promise<void> {
  if (stream === undefined || stream.destroyed || stream.writableFinished) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('finish', resolve);
  stream.once('close', resolve);
  stream.end();
  await promise;
}
