/**
 * The WebSocket channels of remote commands: each binary message begins with the number of its channel. v5 adds the
 * close of one channel, `255 <channel>` (KEP-4006). Messages pass in pieces; a slow reader holds back the connection.
 */
import { Readable, Writable, type Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { WebSocketConnection, type WebSocketEnd, type WebSocketOptions } from '@polyanthus/ground-http/websocket';
import { streamErrors } from './errors.ts';

export const channelProtocols = { v5: 'v5.channel.k8s.io', v4: 'v4.channel.k8s.io' } as const;

/** Channel numbers. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

const closeSignal = 255;
const unreadBytesMax = 256 * 1024;

/** One WebSocket with its channels. Make the channels before `start`. */
export class ChannelConnection {
  readonly #connection: WebSocketConnection;
  readonly #canClose: boolean;
  readonly #readers = new Map<number, ChannelReader>();
  readonly #behind = new Set<number>();
  readonly #ended = Promise.withResolvers<WebSocketEnd>();
  /** The channel of the message being read; undefined before its first byte. */
  #channel: number | undefined;

  constructor(ctx: Context, socket: Duplex, protocol: string, options: WebSocketOptions) {
    this.#canClose = protocol === channelProtocols.v5;
    this.#connection = new WebSocketConnection(ctx, socket, options, {
      piece: (piece, bounds) => this.#piece(piece, bounds),
      ended: (end) => this.#finish(end),
    });
  }

  start(): void {
    this.#connection.start();
  }

  /** Resolves when the WebSocket is over. */
  get ended(): Promise<WebSocketEnd> {
    return this.#ended.promise;
  }

  /** What the peer sends on a channel. It ends with the channel's close or a close of 1000, and errors with any other. */
  reader(channel: number): Readable {
    const reader = new ChannelReader((behind) => this.#setBehind(channel, behind));
    this.#readers.set(channel, reader);
    return reader;
  }

  /** Sends to a channel; with `closes`, its end closes the channel at the peer where the protocol can say so. */
  writer(channel: number, closes: boolean): Writable {
    const send = (pieces: readonly Uint8Array[], callback: (error?: Error | null) => void): void => {
      this.#connection.send(Uint8Array.of(channel), ...pieces);
      this.#connection.whenWritable(callback);
    };
    const writer = new Writable({
      highWaterMark: 64 * 1024,
      write: (chunk: Uint8Array, _encoding, callback) => send([chunk], callback),
      writev: (chunks, callback) =>
        send(
          chunks.map(({ chunk }) => chunk as Uint8Array),
          callback,
        ),
      final: (callback) => {
        if (closes && this.#canClose) this.#connection.send(Uint8Array.of(closeSignal, channel));
        callback();
      },
    });
    writer.on('error', () => undefined);
    return writer;
  }

  /** Sends a whole message. */
  send(channel: number, message: Uint8Array): void {
    this.#connection.send(Uint8Array.of(channel), message);
  }

  close(code: number): void {
    this.#connection.close(code);
  }

  destroy(error?: Error): void {
    this.#connection.destroy(error);
  }

  #piece(piece: Uint8Array, bounds: { readonly first: boolean; readonly last: boolean; readonly text: boolean }): void {
    if (bounds.text) return this.#connection.close(1003, 'only binary messages are taken here');
    if (bounds.first) this.#channel = undefined;
    let rest = piece;
    if (this.#channel === undefined && rest.length > 0) {
      this.#channel = rest[0];
      rest = rest.subarray(1);
    }
    if (rest.length === 0 || this.#channel === undefined) return;
    if (this.#channel === closeSignal && this.#canClose) this.#readers.get(rest[0] ?? 0)?.finish();
    else this.#readers.get(this.#channel)?.deliver(rest);
  }

  #setBehind(channel: number, behind: boolean): void {
    if (behind) this.#behind.add(channel);
    else this.#behind.delete(channel);
    if (this.#behind.size > 0) this.#connection.pause();
    else this.#connection.resume();
  }

  #finish(end: WebSocketEnd): void {
    const orderly = end.error === undefined && (end.code === 1000 || end.code === 1005);
    const error = streamErrors.error('StreamBroken', `the WebSocket ended with ${end.code} ${end.reason}`.trimEnd(), {
      cause: end.error,
    });
    for (const reader of this.#readers.values()) {
      if (orderly) reader.finish();
      else reader.destroy(error);
    }
    this.#ended.resolve(end);
  }
}

class ChannelReader extends Readable {
  readonly #behind: (behind: boolean) => void;
  #over = false;

  constructor(behind: (behind: boolean) => void) {
    super({ highWaterMark: unreadBytesMax });
    this.#behind = behind;
    this.on('error', () => undefined);
  }

  deliver(piece: Uint8Array): void {
    if (!this.#over && !this.destroyed && !this.push(piece)) this.#behind(true);
  }

  finish(): void {
    if (this.#over || this.destroyed) return;
    this.#over = true;
    this.push(null);
  }

  override _read(): void {
    this.#behind(false);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#behind(false);
    callback(error);
  }
}
