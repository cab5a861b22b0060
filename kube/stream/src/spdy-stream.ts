/** One stream of a SPDY session as a Duplex with half-close. */
import { Duplex, Writable } from 'node:stream';
import { rstStatus } from './spdy-frames.ts';
import type { SpdyHeaders } from './spdy-headers.ts';

/** What a stream asks of its session. */
export interface StreamSession {
  send(pieces: readonly Uint8Array[], callback: (error?: Error | null) => void): void;
  fin(): void;
  reply(): void;
  reset(status: number): void;
  /** Whether the stream's reader has fallen behind. */
  behind(behind: boolean): void;
  gone(): void;
}

/** What a slow reader may leave unread before the whole session waits. */
const unreadBytesMax = 256 * 1024;

type Callback = (error?: Error | null) => void;

/** Written bytes wait until the stream is accepted, because peers drop what comes before their reply. */
export class SpdyStream extends Duplex {
  readonly id: number;
  /** Of the SYN_STREAM; names in lower case. */
  readonly headers: SpdyHeaders;
  /** Set to give the reader a better reason than the loss itself. */
  explainLoss: (error: Error) => Error = (error) => error;
  readonly #resetIs: 'end' | 'error';
  readonly #session: StreamSession;
  readonly #accepted = Promise.withResolvers<void>();
  #isAccepted = false;
  #remoteEnded = false;
  #localEnded = false;
  #failure: Error | undefined;
  #held: (() => void) | undefined;

  constructor(id: number, headers: SpdyHeaders, resetIs: 'end' | 'error', session: StreamSession) {
    super({ allowHalfOpen: true, readableHighWaterMark: unreadBytesMax, writableHighWaterMark: 64 * 1024 });
    this.id = id;
    this.headers = headers;
    this.#resetIs = resetIs;
    this.#session = session;
    this.#accepted.promise.catch(() => undefined);
    // Whoever does not listen learns of it by the end or the close.
    this.on('error', () => undefined);
  }

  /** Resolves when the peer has replied, or we have; rejects when the stream was refused or lost before. */
  get accepted(): Promise<void> {
    return this.#accepted.promise;
  }

  /** True when the peer reset it, or the session was lost, before both sides had ended. */
  get wasLost(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes a stream of the peer: sends SYN_REPLY. */
  accept(): void {
    if (this.#isAccepted) return;
    this.#session.reply();
    this.#accept();
  }

  /** Gives a stream of the peer back: RST_STREAM. */
  refuse(): void {
    this.#end(rstStatus.refusedStream);
  }

  /** Ends our side after what was written, gives up the other, and resolves when that is done. */
  async finish(): Promise<void> {
    this.resume();
    if (this.destroyed || !this.#isAccepted) return this.#end(rstStatus.cancel);
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.writableFinished) resolve();
    this.once('finish', resolve);
    this.once('close', resolve);
    this.end();
    await promise;
    if (!this.#remoteEnded) this.#end(undefined);
  }

  /** From the session: a SYN_REPLY. */
  replied(fin: boolean): void {
    this.#accept();
    if (fin) this.received(new Uint8Array(0), true);
  }

  /** From the session: data. What comes after an end is dropped. */
  received(piece: Uint8Array, fin: boolean): void {
    if (this.#remoteEnded || this.destroyed) return;
    if (piece.length > 0 && !this.push(piece)) this.#session.behind(true);
    if (!fin) return;
    this.#remoteEnded = true;
    this.push(null);
    this.#goneWhenEnded();
  }

  /** From the session: reset by the peer, or the session is over. */
  lost(error: Error): void {
    if (this.#failure !== undefined || this.destroyed) return;
    this.#failure = error;
    this.#accepted.reject(error);
    this.#session.gone();
    if (this.#resetIs === 'error' && !(this.#remoteEnded && this.#localEnded)) {
      this.destroy(this.explainLoss(error));
      return;
    }
    if (!this.#remoteEnded) this.push(null);
    this.#remoteEnded = true;
    this.#runHeld();
    // What was written is lost; the reader still gets what had arrived.
    this.end();
  }

  override _read(): void {
    this.#session.behind(false);
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#send([chunk], callback);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: Callback): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.#whenAccepted(() => {
      if (this.#failure === undefined && !this.#localEnded) this.#session.fin();
      this.#localEnded = true;
      this.#goneWhenEnded();
      callback();
    });
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#end(rstStatus.cancel);
    this.#held = undefined;
    callback(error);
  }

  #send(pieces: readonly Uint8Array[], callback: Callback): void {
    // After a reset the writer is told by the end of the stream, not by an error: its data has nowhere to go.
    this.#whenAccepted(() =>
      this.#failure === undefined
        ? this.#session.send(pieces, (error) => callback(this.#failure === undefined ? error : null))
        : callback(),
    );
  }

  #whenAccepted(action: () => void): void {
    if (this.#isAccepted || this.#failure !== undefined) action();
    else this.#held = action;
  }

  #accept(): void {
    if (this.#isAccepted) return;
    this.#isAccepted = true;
    this.#accepted.resolve();
    this.#runHeld();
  }

  #runHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  #goneWhenEnded(): void {
    if (this.#remoteEnded && this.#localEnded) this.#session.gone();
  }

  /** Gives the stream up; with a status when the peer is to hear of it. */
  #end(status: number | undefined): void {
    const whole = this.#remoteEnded && this.#localEnded;
    if (status !== undefined && !whole && this.#failure === undefined) this.#session.reset(status);
    if (!whole) this.#session.gone();
    this.#remoteEnded = true;
    this.#localEnded = true;
    if (this.#failure === undefined && !this.#isAccepted) this.#accepted.reject(new Error('the stream was given up'));
    if (!this.destroyed) this.destroy();
  }
}

/** The writing side alone: who waits for a Writable to finish must not wait for the other side's end as well. */
export function writableSide(stream: SpdyStream): Writable {
  const side = new Writable({
    highWaterMark: 64 * 1024,
    write: (chunk: Uint8Array, _encoding, callback) => void stream.write(chunk, callback),
    final: (callback) => void stream.end(callback),
  });
  // Loss shows by the end of the connection.
  side.on('error', () => undefined);
  return side;
}
