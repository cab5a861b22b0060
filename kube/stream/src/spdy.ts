/**
 * A SPDY/3.1 session over any Duplex, both ends, as Kubernetes uses the protocol (moby/spdystream): streams are opened
 * by the client, answered by SYN_REPLY, and carry bytes both ways. No window is enforced, as the peers neither send
 * WINDOW_UPDATE nor heed it; a reader that falls behind holds back the whole session instead.
 */
import type { Duplex } from 'node:stream';
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import type { Timer } from '@polyanthus/ground-base/clock';
import { streamErrors } from './errors.ts';
import { encodeDataHead, encodeFrame, rstStatus, SpdyFrameReader, type SpdyFrame } from './spdy-frames.ts';
import { HeaderBlockWriter, type SpdyHeaders } from './spdy-headers.ts';
import { SpdyStream } from './spdy-stream.ts';

export interface SpdySessionOptions {
  readonly role: 'client' | 'server';
  /** What was read after the upgrade. */
  readonly head?: Uint8Array;
  /** Open streams of the peer above which new ones are refused: 512. */
  readonly maxStreams?: number;
  /** A stream that the peer opened; answer it with `accept` or `refuse`. Absent: all are refused. */
  readonly onStream?: (stream: SpdyStream) => void;
  /** What a reset, or the loss of the session, is to the reader of a stream: an end of its data, or an error. */
  readonly resetIs: 'end' | 'error';
}

const maxStreamsDefault = 512;
/** Answers to a peer that sends control frames and reads nothing. */
const unreadAnswersMax = 1024 * 1024;
const closeTimeoutMs = 10_000;
/** How long the peer may take to read what was sent before the end: somebody may be paging through it. */
const flushTimeoutMs = 600_000;
/** Payload of one DATA frame: receivers allocate it whole. */
const dataBytesMax = 64 * 1024;

export class SpdySession {
  readonly #ctx: Context;
  readonly #socket: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #reader: SpdyFrameReader;
  readonly #headers = new HeaderBlockWriter();
  readonly #streams = new Map<number, SpdyStream>();
  /** Streams whose reader is behind. */
  readonly #behind = new Set<number>();
  readonly #waiting = new Set<(error?: Error | null) => void>();
  readonly #done = Promise.withResolvers<unknown>();
  #nextId: number;
  #lastPeerId = 0;
  #goingAway = false;
  #over = false;
  #timer: Timer | undefined;

  constructor(ctx: Context, socket: Duplex, options: SpdySessionOptions) {
    this.#ctx = ctx;
    this.#socket = socket;
    this.#options = options;
    this.#nextId = options.role === 'client' ? 1 : 2;
    this.#reader = new SpdyFrameReader({
      data: (streamId, piece, fin) => this.#streams.get(streamId)?.received(piece, fin),
      frame: (frame) => this.#frame(frame),
    });
  }

  /** Begins to read. */
  start(): void {
    const socket = this.#socket;
    this.#ctx.signal.addEventListener('abort', this.#onAbort, { once: true });
    socket.on('error', (error: Error) => this.#finish(broken(error)));
    socket.on('end', () => this.#finish(this.#goingAway ? undefined : broken()));
    socket.on('close', () => this.#finish(broken()));
    socket.on('drain', () => this.#release());
    socket.on('data', (bytes: Uint8Array) => this.#take(bytes));
    if (this.#options.head !== undefined) this.#take(this.#options.head);
    if (this.#ctx.signal.aborted) this.#onAbort();
  }

  /** Resolves, never rejects, when the connection is over: with undefined after an orderly end, else with the reason. */
  get ended(): Promise<unknown> {
    return this.#done.promise;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#streams.size;
  }

  /** Opens a stream; its writes wait for the peer's reply. Throws StreamBroken when the session is over or going away. */
  open(headers: SpdyHeaders): SpdyStream {
    if (this.#over || this.#goingAway) throw broken();
    const stream = this.#stream(this.#nextId, headers);
    this.#nextId += 2;
    this.#control({ type: 'synStream', streamId: stream.id, headers, fin: false });
    return stream;
  }

  /** Ends every stream after what was written to it, says GOAWAY, and ends the connection. */
  async close(): Promise<void> {
    if (this.#over || this.#goingAway) return;
    this.#goingAway = true;
    this.#timer = this.#ctx.clock.after(flushTimeoutMs, () => this.destroy(broken()), { unref: true });
    await Promise.all([...this.#streams.values()].map((stream) => stream.finish()));
    if (this.#over) return;
    this.#control({ type: 'goAway', lastGoodStreamId: this.#lastPeerId, status: 0 });
    this.#finish(undefined);
  }

  /** Cuts the connection. */
  destroy(error?: Error): void {
    this.#finish(error ?? broken());
    this.#socket.destroy();
  }

  readonly #onAbort = (): void => this.destroy(cancelled(this.#ctx.signal));

  #take(bytes: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #frame(frame: SpdyFrame): void {
    if (this.#over) return;
    switch (frame.type) {
      case 'synStream':
        return this.#opened(frame.streamId, frame.headers, frame.fin);
      case 'synReply':
        return this.#streams.get(frame.streamId)?.replied(frame.fin);
      case 'headers':
        return frame.fin ? this.#streams.get(frame.streamId)?.received(new Uint8Array(0), true) : undefined;
      case 'rstStream':
        return this.#streams.get(frame.streamId)?.lost(reset(frame.streamId, frame.status));
      case 'ping':
        // Pings of our own parity are answers.
        return (frame.id & 1) === (this.#nextId & 1) ? undefined : this.#answer(frame);
      case 'goAway':
        return this.#wentAway();
    }
  }

  #opened(streamId: number, headers: SpdyHeaders, fin: boolean): void {
    const { onStream, role, maxStreams } = this.#options;
    const ofPeer = (streamId & 1) === (role === 'server' ? 1 : 0);
    if (!ofPeer || streamId <= this.#lastPeerId)
      return this.#answer({ type: 'rstStream', streamId, status: rstStatus.protocolError });
    this.#lastPeerId = streamId;
    if (this.#goingAway || onStream === undefined || this.#streams.size >= (maxStreams ?? maxStreamsDefault)) {
      return this.#answer({ type: 'rstStream', streamId, status: rstStatus.refusedStream });
    }
    const stream = this.#stream(streamId, headers);
    onStream(stream);
    if (fin) stream.received(new Uint8Array(0), true);
  }

  #stream(streamId: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(streamId, headers, this.#options.resetIs, {
      send: (pieces, callback) => this.#data(streamId, pieces, callback),
      fin: () => this.#write(encodeDataHead(streamId, 0, true)),
      reply: () => this.#control({ type: 'synReply', streamId, headers: {}, fin: false }),
      reset: (status) => this.#control({ type: 'rstStream', streamId, status }),
      behind: (behind) => this.#setBehind(streamId, behind),
      gone: () => this.#gone(streamId),
    });
    this.#streams.set(streamId, stream);
    return stream;
  }

  #wentAway(): void {
    this.#goingAway = true;
    if (this.#streams.size === 0) this.#finish(undefined);
  }

  #gone(streamId: number): void {
    this.#streams.delete(streamId);
    this.#setBehind(streamId, false);
    // A session that the peer is closing ends with its last stream; ours ends in `close`.
    if (this.#goingAway && this.#streams.size === 0 && this.#timer === undefined) this.#finish(undefined);
  }

  #setBehind(streamId: number, behind: boolean): void {
    if (behind) this.#behind.add(streamId);
    else this.#behind.delete(streamId);
    if (this.#over) return;
    if (this.#behind.size > 0) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #data(streamId: number, pieces: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    if (this.#over) return callback(broken());
    this.#socket.cork();
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += dataBytesMax) {
        const part = piece.subarray(at, at + dataBytesMax);
        this.#socket.write(encodeDataHead(streamId, part.length, false));
        this.#socket.write(part);
      }
    }
    this.#socket.uncork();
    if (this.#socket.writableNeedDrain) this.#waiting.add(callback);
    else callback();
  }

  #control(frame: SpdyFrame): void {
    this.#write(encodeFrame(frame, this.#headers));
  }

  /** A control frame that the peer caused. */
  #answer(frame: SpdyFrame): void {
    this.#control(frame);
    if (this.#socket.writableLength > unreadAnswersMax && this.#socket.writableNeedDrain) {
      this.destroy(
        streamErrors.error('StreamProtocolViolated', 'SPDY: the peer sends frames and does not read the answers'),
      );
    }
  }

  #write(bytes: Uint8Array): void {
    if (!this.#over && this.#socket.writable) this.#socket.write(bytes);
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

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#ctx.signal.removeEventListener('abort', this.#onAbort);
    // Streams first: a write that is given up must not look like an error of its own.
    for (const stream of this.#streams.values()) stream.lost(error ?? broken());
    this.#streams.clear();
    this.#release(error ?? broken());
    this.#done.resolve(error);
    const socket = this.#socket;
    if (socket.destroyed) return this.#timer?.cancel();
    this.#destroyWithin(flushTimeoutMs);
    socket.once('finish', () => this.#destroyWithin(closeTimeoutMs));
    socket.once('close', () => this.#timer?.cancel());
    socket.end();
    socket.resume();
  }

  #destroyWithin(timeoutMs: number): void {
    this.#timer?.cancel();
    if (!this.#socket.destroyed)
      this.#timer = this.#ctx.clock.after(timeoutMs, () => this.#socket.destroy(), { unref: true });
  }
}

function reset(streamId: number, status: number): Error {
  return streamErrors.error('StreamReset', `SPDY: the other end reset stream ${streamId} with status ${status}`);
}

function broken(cause?: unknown): Error {
  return streamErrors.error('StreamBroken', 'SPDY: the connection has ended', cause === undefined ? {} : { cause });
}
