/**
 * A WebSocket (RFC 6455) over any Duplex after its handshake, both ends. Payloads pass in pieces as they arrive: no
 * message is ever gathered. `webSocketOver` makes it a byte stream; protocols with messages use `WebSocketConnection`.
 */
import { Duplex } from 'node:stream';
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import type { Timer } from '@polyanthus/ground-base/clock';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { httpErrors } from './errors.ts';
import {
  decodeClose,
  encodeClose,
  encodeFrameHead,
  masked,
  WebSocketFrameReader,
  webSocketOpcodes,
  type FrameSink,
  type WebSocketRole,
} from './websocket-frames.ts';

/** What one end of a WebSocket may be told; every limit has a default in `limits.ts`. */
export interface WebSocketOptions {
  readonly role: WebSocketRole;
  /** What was read after the handshake. */
  readonly head?: Uint8Array;
  /** A client's masks. Absent: the zero mask, which costs nothing and is right where TLS is below. */
  readonly maskWith?: Random;
  /** Bound on one frame of the peer: 64 MiB. */
  readonly maxFrameBytes?: number;
  /** Bound on one message of the peer. Absent: none, because pieces are handed on as they arrive. */
  readonly maxMessageBytes?: number;
  /** Pings every `intervalMs`; a peer that sends nothing for `deadlineMs` while it is listened to is cut off. */
  readonly heartbeat?: { readonly intervalMs: number; readonly deadlineMs: number };
}

/** How it ended: the peer's close frame, or 1006 with the reason when there was none. */
export interface WebSocketEnd {
  readonly code: number;
  readonly reason: string;
  readonly error?: unknown;
}

export interface WebSocketEvents {
  piece: FrameSink['piece'];
  /** Once; nothing comes after it. */
  ended(end: WebSocketEnd): void;
}

const defaultMaxFrameBytes = 64 * 1024 * 1024;
/** How long the other end may take to answer a close that is on its way. */
const closeTimeoutMs = 10_000;
/** How long it may take to read what was sent before the close: somebody may be paging through it. */
const flushTimeoutMs = 600_000;
/** Up to here one write of a copy is cheaper than a vector of two. */
const copyBelowBytes = 2_048;

/** Frames over a socket. Reading begins with `start`. A cancelled `ctx` cuts it. */
export class WebSocketConnection {
  readonly #ctx: Context;
  readonly #socket: Duplex;
  readonly #options: WebSocketOptions;
  readonly #events: WebSocketEvents;
  readonly #reader: WebSocketFrameReader;
  readonly #waiting = new Set<(error?: Error | null) => void>();
  #closeSent = false;
  #end: WebSocketEnd | undefined;
  #pong: Uint8Array | undefined;
  #timer: Timer | undefined;
  #heart: Timer | undefined;
  #seenAtMs = 0;

  constructor(ctx: Context, socket: Duplex, options: WebSocketOptions, events: WebSocketEvents) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    const limits = {
      maxFrameBytes: options.maxFrameBytes ?? defaultMaxFrameBytes,
      maxMessageBytes: options.maxMessageBytes ?? Infinity,
    };
    this.#reader = new WebSocketFrameReader(options.role, limits, {
      piece: (piece, bounds) => {
        if (this.#end === undefined) events.piece(piece, bounds);
      },
      control: (opcode, payload) => this.#control(opcode, payload),
    });
  }

  start(): void {
    const socket = this.#socket;
    this.#ctx.signal.addEventListener('abort', this.#onAbort, { once: true });
    socket.on('error', (cause: Error) => this.#cut(cause));
    socket.on('end', () => this.#cut());
    socket.on('close', () => this.#cut());
    socket.on('drain', () => this.#drained());
    socket.on('data', (bytes: Uint8Array) => this.#take(bytes));
    this.#beat();
    if (this.#options.head !== undefined && this.#options.head.length > 0) this.#take(this.#options.head);
    if (this.#ctx.signal.aborted) this.#onAbort();
  }

  /** Sends one binary message of these pieces. The pieces must not change afterwards. Dropped once closing. */
  send(...pieces: readonly Uint8Array[]): void {
    if (!this.#closeSent && this.#end === undefined) this.#frame(webSocketOpcodes.binary, pieces);
  }

  /** Calls back once the socket takes more, with an error once it never will. Wait for it between two `send`s. */
  whenWritable(callback: (error?: Error | null) => void): void {
    if (this.#closeSent || this.#end !== undefined) callback(broken('it is closed'));
    else if (this.#socket.writableNeedDrain) this.#waiting.add(callback);
    else callback();
  }

  /** Stops reading, for a slow consumer. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#end !== undefined || !this.#socket.isPaused()) return;
    this.#seenAtMs = this.#ctx.clock.monotonic();
    this.#socket.resume();
  }

  /** Sends a close frame after all that was sent, then waits for the peer's, but not for ever. */
  close(code = 1000, reason = ''): void {
    if (this.#closeSent || this.#end !== undefined) return;
    this.#sendClose(encodeClose(code, reason));
  }

  /** Cuts it without a close frame; after its end it does nothing. */
  destroy(error?: Error): void {
    if (this.#end === undefined) this.#abandon(error ?? broken('it was given up'));
  }

  #abandon(error: Error): void {
    this.#finish({ code: 1006, reason: '', error });
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    this.#seenAtMs = this.#ctx.clock.monotonic();
    if (this.#end !== undefined) return;
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.#violated(error);
    }
  }

  #violated(error: unknown): void {
    if (!this.#closeSent) this.#sendClose(encodeClose(hasCode(error, 'BodyTooLarge') ? 1009 : 1002, ''));
    this.#finish({ code: 1006, reason: '', error });
    this.#hangUp();
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (this.#end !== undefined || opcode === webSocketOpcodes.pong) return;
    if (opcode === webSocketOpcodes.close) return this.#closed(payload);
    // Only the last ping needs its answer, so that a peer that pings and does not read costs nothing.
    if (this.#socket.writableNeedDrain) this.#pong = Uint8Array.from(payload);
    else if (!this.#closeSent) this.#frame(webSocketOpcodes.pong, [payload]);
  }

  #closed(payload: Uint8Array): void {
    const end = decodeClose(payload);
    if (!this.#closeSent) this.#sendClose(end.code === 1005 ? new Uint8Array(0) : encodeClose(end.code, ''));
    this.#finish(end);
    this.#hangUp();
  }

  #sendClose(payload: Uint8Array): void {
    this.#closeSent = true;
    if (this.#socket.writable) this.#frame(webSocketOpcodes.close, [payload], () => this.#endWithin(closeTimeoutMs));
    this.#endWithin(flushTimeoutMs);
    this.#release(broken('it is closing'));
  }

  /** Ends our side; the socket goes when the peer ends its own, or after a while. */
  #hangUp(): void {
    this.#socket.end();
    this.#socket.resume();
  }

  #endWithin(timeoutMs: number): void {
    this.#timer?.cancel();
    if (this.#socket.destroyed) return;
    const late = (): void => this.#abandon(broken('the other end did not answer the close'));
    this.#timer = this.#ctx.clock.after(timeoutMs, late, { unref: true });
  }

  readonly #onAbort = (): void => this.destroy(cancelled(this.#ctx.signal));

  /** An end of the bytes before a close frame. */
  #cut(cause?: Error): void {
    this.#finish({ code: 1006, reason: '', error: broken('the connection ended without a close', cause) });
    this.#timer?.cancel();
    this.#socket.destroy();
  }

  #finish(end: WebSocketEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#heart?.cancel();
    this.#ctx.signal.removeEventListener('abort', this.#onAbort);
    this.#release(end.error instanceof Error ? end.error : broken('it is closed'));
    this.#events.ended(end);
  }

  #drained(): void {
    const pong = this.#pong;
    this.#pong = undefined;
    if (pong !== undefined && !this.#closeSent) this.#frame(webSocketOpcodes.pong, [pong]);
    this.#release();
  }

  #release(error?: Error): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) {
      // Who comes later waits for the next drain.
      if (error === undefined && this.#socket.writableNeedDrain) this.#waiting.add(callback);
      else callback(error);
    }
  }

  #beat(): void {
    const { heartbeat } = this.#options;
    this.#seenAtMs = this.#ctx.clock.monotonic();
    if (heartbeat === undefined) return;
    const beat = (): void => {
      const silentMs = this.#ctx.clock.monotonic() - this.#seenAtMs;
      if (silentMs > heartbeat.deadlineMs && !this.#socket.isPaused())
        return this.destroy(broken(`nothing came for ${heartbeat.deadlineMs} ms`));
      if (!this.#socket.writableNeedDrain && !this.#closeSent) this.#frame(webSocketOpcodes.ping, []);
      this.#heart = this.#ctx.clock.after(heartbeat.intervalMs, beat, { unref: true });
    };
    this.#heart = this.#ctx.clock.after(heartbeat.intervalMs, beat, { unref: true });
  }

  /** `sent` is called once it has left this process. */
  #frame(opcode: number, pieces: readonly Uint8Array[], sent?: () => void): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const { role, maskWith } = this.#options;
    const mask = role === 'server' ? undefined : (maskWith?.bytes(4) ?? zeroMask);
    const head = encodeFrameHead(opcode, length, mask);
    const payload = mask === undefined || mask === zeroMask ? pieces : maskedPieces(pieces, mask);
    if (length < copyBelowBytes) {
      this.#socket.write(Buffer.concat([head, ...payload], head.length + length), sent);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    for (const piece of payload) this.#socket.write(piece);
    this.#socket.uncork();
  }
}

/**
 * A WebSocket as a stream of bytes: each write is a binary message, whose bounds mean nothing. `end` sends close 1000;
 * the peer's close of 1000, 1001 or 1005 is the end of the bytes, any other end is an error (ConnectionBroken).
 */
export function webSocketOver(ctx: Context, socket: Duplex, options: WebSocketOptions): Duplex {
  return new WebSocketStream(ctx, socket, options);
}

class WebSocketStream extends Duplex {
  readonly #connection: WebSocketConnection;

  constructor(ctx: Context, socket: Duplex, options: WebSocketOptions) {
    super({ allowHalfOpen: false, highWaterMark: 256 * 1024 });
    this.#connection = new WebSocketConnection(ctx, socket, options, {
      piece: (piece, { text }) => this.#piece(piece, text),
      ended: (end) => this.#ended(end),
    });
    this.#connection.start();
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#connection.send(chunk);
    this.#connection.whenWritable(callback);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#connection.send(...chunks.map(({ chunk }) => chunk));
    this.#connection.whenWritable(callback);
  }

  override _final(callback: () => void): void {
    this.#connection.close(1000);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#connection.destroy(error ?? undefined);
    callback(error);
  }

  #piece(piece: Uint8Array, text: boolean): void {
    if (text) return this.#connection.close(1003, 'only binary messages are taken here');
    if (piece.length > 0 && !this.push(piece)) this.#connection.pause();
  }

  #ended(end: WebSocketEnd): void {
    if (end.error === undefined && (end.code === 1000 || end.code === 1001 || end.code === 1005)) this.push(null);
    else this.destroy(end.error instanceof Error ? end.error : broken(`closed with ${end.code} ${end.reason}`));
  }
}

const zeroMask = new Uint8Array(4);

function maskedPieces(pieces: readonly Uint8Array[], mask: Uint8Array): Uint8Array[] {
  let offset = 0;
  return pieces.map((piece) => {
    const out = masked(piece, mask, offset & 3);
    offset += piece.length;
    return out;
  });
}

function broken(why: string, cause?: unknown): Error {
  return httpErrors.error('ConnectionBroken', `WebSocket: ${why}`, cause === undefined ? {} : { cause });
}
