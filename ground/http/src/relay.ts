/** Joins two byte streams: what comes out of one goes into the other. Knows no protocol. */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { cancelled } from '@polyanthus/ground-base/context';
import type { Timer } from '@polyanthus/ground-base/clock';

/** What went through, and why it ended. */
export interface RelayResult {
  readonly bytesToB: number;
  readonly bytesToA: number;
  /** Absent when both ends closed their side in order. */
  readonly error?: unknown;
  /** True when nothing moved for `idleMs`. */
  readonly idle: boolean;
}

export interface RelayOptions {
  /** Bytes that were read from `a` or `b` before the relay began, and go first. */
  readonly headFromA?: Uint8Array;
  readonly headFromB?: Uint8Array;
  /** Ends the relay after this long without a byte in either direction; absent: never. */
  readonly idleMs?: number;
  /** Told each piece's size as it moves. */
  readonly onBytes?: (to: 'a' | 'b', bytes: number) => void;
}

/**
 * Relays until both directions have ended, then closes both. An end of one direction is passed on as a half-close; an
 * error or a sudden close of one end destroys the other; a cancelled context destroys both. Never throws.
 */
export function relay(ctx: Context, a: Duplex, b: Duplex, options: RelayOptions = {}): Promise<RelayResult> {
  return new Promise((resolve) => new Relay(ctx, a, b, options, resolve).start());
}

class Relay {
  readonly #ctx: Context;
  readonly #a: Duplex;
  readonly #b: Duplex;
  readonly #options: RelayOptions;
  readonly #resolve: (result: RelayResult) => void;
  readonly #bytes = { a: 0, b: 0 };
  #movedAt: number;
  #timer: Timer | undefined;
  #open = 2;
  #over = false;

  constructor(ctx: Context, a: Duplex, b: Duplex, options: RelayOptions, resolve: (result: RelayResult) => void) {
    this.#ctx = ctx;
    this.#a = a;
    this.#b = b;
    this.#options = options;
    this.#resolve = resolve;
    this.#movedAt = ctx.clock.monotonic();
  }

  start(): void {
    const { headFromA, headFromB } = this.#options;
    this.#join(this.#a, this.#b, 'b', headFromA);
    this.#join(this.#b, this.#a, 'a', headFromB);
    this.#ctx.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#watchIdle();
    if (this.#ctx.signal.aborted) this.#onAbort();
  }

  #join(from: Duplex, to: Duplex, name: 'a' | 'b', head: Uint8Array | undefined): void {
    from.on('error', (error) => this.#finish({ error, idle: false }));
    // Without an end before it, a close is a cut.
    from.once('close', () => {
      if (!from.readableEnded)
        this.#finish({ error: new Error('one end closed without an end of its data'), idle: false });
    });
    if (head !== undefined && head.length > 0) this.#pass(from, to, name, head);
    from.on('data', (piece: Uint8Array) => this.#pass(from, to, name, piece));
    from.once('end', () => {
      to.end();
      this.#open--;
      if (this.#open === 0) this.#finish({ idle: false });
    });
    to.on('drain', () => from.resume());
    if (from.readableEnded) from.emit('end');
  }

  #pass(from: Duplex, to: Duplex, name: 'a' | 'b', piece: Uint8Array): void {
    this.#bytes[name] += piece.length;
    this.#movedAt = this.#ctx.clock.monotonic();
    this.#options.onBytes?.(name, piece.length);
    if (to.writable && !to.write(piece)) from.pause();
  }

  readonly #onAbort = (): void => this.#finish({ error: cancelled(this.#ctx.signal), idle: false });

  #watchIdle(): void {
    const { idleMs } = this.#options;
    if (idleMs === undefined) return;
    const left = this.#movedAt + idleMs - this.#ctx.clock.monotonic();
    if (left <= 0) return this.#finish({ idle: true });
    this.#timer = this.#ctx.clock.after(left, () => this.#watchIdle(), { unref: true });
  }

  #finish(end: { readonly error?: unknown; readonly idle: boolean }): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#ctx.signal.removeEventListener('abort', this.#onAbort);
    if (end.error !== undefined || end.idle) {
      this.#a.destroy();
      this.#b.destroy();
    }
    this.#resolve({ bytesToA: this.#bytes.a, bytesToB: this.#bytes.b, ...end });
  }
}
