/** The client's side of exec and attach: WebSocket v5 first, SPDY when that is refused (as kubectl does). */
import type { Readable, Writable } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import type { HeaderValues, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { dialOf, dialWebSocketFirst } from './dial-fallback.ts';
import { channelProtocols, channels, ChannelConnection } from './channels.ts';
import { streamErrors } from './errors.ts';
import { refusedError } from './refused.ts';
import {
  decodeStatus,
  encodeSize,
  remoteCommandProtocol,
  streamTypeHeader,
  type CommandStatus,
  type RemoteCommandOptions,
  type TerminalSize,
} from './remote-command.ts';
import { writableSide } from './spdy-stream.ts';
import { SpdySession } from './spdy.ts';
import { dialSpdy } from './spdy-upgrade.ts';

export interface RemoteCommandTarget extends RemoteCommandOptions {
  /** Path and query of the exec or attach subresource; the query must ask for the same streams. */
  readonly url: string;
  readonly headers?: HeaderValues;
  /** Default: both, WebSocket first. */
  readonly protocols?: readonly ('websocket' | 'spdy')[];
  readonly random: Random;
}

/** A running command: the streams of the client's side. */
export interface RemoteCommand {
  readonly protocol: 'websocket' | 'spdy';
  readonly stdin: Writable | undefined;
  /** Must be read, or discarded by `resume`: an unread stream holds back the others. */
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  resize(size: TerminalSize): void;
  /** How the command ended. Rejects with StreamBroken when the connection ended without telling it. */
  readonly status: Promise<CommandStatus>;
  /** Gives the command's connection up. */
  close(): void;
}

/** WebSocket pings as client-go sends them: an idle exec must outlive load balancers, a dead one must be noticed. */
const heartbeat = { intervalMs: 5_000, deadlineMs: 61_000 };
const statusBytesMax = 64 * 1024;

/**
 * Opens the streams. Throws StatusError when the API refused, StreamUpgradeRefused when something else did, and what
 * the transport throws.
 */
export async function openRemoteCommand(
  ctx: Context,
  transport: Transport,
  target: RemoteCommandTarget,
): Promise<RemoteCommand> {
  const protocols = target.protocols ?? ['websocket', 'spdy'];
  let refused: HttpResponse | undefined;
  for (const protocol of protocols) {
    const opened =
      protocol === 'websocket'
        ? await openChannels(ctx, transport, target, protocols.length > 1)
        : await openSpdy(ctx, transport, target);
    if ('stdin' in opened) return opened;
    refused = opened;
  }
  if (refused === undefined)
    throw streamErrors.error('StreamUpgradeRefused', 'no protocol of remote commands is allowed');
  throw await refusedError(`the command at ${target.url.split('?')[0]}`, refused);
}

async function openChannels(
  ctx: Context,
  transport: Transport,
  target: RemoteCommandTarget,
  canFallBack: boolean,
): Promise<RemoteCommand | HttpResponse> {
  const way = { protocol: channelProtocols.v5, canFallBack };
  const result = await dialWebSocketFirst(ctx, transport, target, way);
  if (result.kind === 'refused') return result.response;
  const connection = new ChannelConnection(ctx, result.socket, channelProtocols.v5, {
    role: 'client',
    head: result.head,
    heartbeat,
  });
  const stdin = target.stdin ? connection.writer(channels.stdin, true) : undefined;
  const stdout = target.stdout ? connection.reader(channels.stdout) : undefined;
  const stderr = target.stderr ? connection.reader(channels.stderr) : undefined;
  const status = readStatus(connection.reader(channels.error));
  connection.start();
  const resize = (size: TerminalSize): void => connection.send(channels.resize, encodeSize(size));
  return { protocol: 'websocket', stdin, stdout, stderr, resize, status, close: () => connection.destroy() };
}

async function openSpdy(
  ctx: Context,
  transport: Transport,
  target: RemoteCommandTarget,
): Promise<RemoteCommand | HttpResponse> {
  const result = await dialSpdy(ctx, transport, dialOf(target, remoteCommandProtocol));
  if (result.kind === 'refused') return result.response;
  const session = new SpdySession(ctx, result.socket, { role: 'client', head: result.head, resetIs: 'end' });
  session.start();
  const open = (type: string) => session.open({ [streamTypeHeader]: type });
  const error = open('error');
  const input = target.stdin ? open('stdin') : undefined;
  const stdout = target.stdout ? open('stdout') : undefined;
  const stderr = target.stderr ? open('stderr') : undefined;
  const resizing = target.tty ? open('resize') : undefined;
  // Nothing comes on it but its end.
  input?.resume();
  const stdin = input === undefined ? undefined : writableSide(input);
  await error.accepted;
  const status = readStatus(error);
  // The outcome is the last word; what is still open has no reader at the other end.
  void status.then(
    () => undefined,
    () => session.destroy(),
  );
  const resize = (size: TerminalSize): void => void resizing?.write(encodeSize(size));
  return { protocol: 'spdy', stdin, stdout, stderr, resize, status, close: () => session.destroy() };
}

function readStatus(stream: Readable): Promise<CommandStatus> {
  const status = readAll(stream).then((bytes) => {
    if (bytes.length === 0)
      throw streamErrors.error(
        'StreamBroken',
        'the connection of a command ended without telling how the command ended',
      );
    return decodeStatus(bytes);
  });
  // It may fail before anybody asks.
  status.catch(() => undefined);
  return status;
}

async function readAll(stream: Readable): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > statusBytesMax)
      throw streamErrors.error('StreamProtocolViolated', `the error stream carries more than ${statusBytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
