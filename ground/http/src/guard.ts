/** Ties the life of a message's body to the exchange that it belongs to. */
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import { httpErrors } from './errors.ts';
import type { Body } from './message.ts';

/** What is told to the owner of the exchange: `done` or `stopped`, once. */
export interface GuardEvents {
  /** The body was read to its end. */
  readonly done: () => void;
  /** It will not be read further: the reader stopped, the context was cancelled, or the source threw. */
  readonly stopped: (reason: unknown) => void;
  /** Before `stopped`, with what the source threw. */
  readonly failed?: (error: unknown) => void;
}

/** A signal of one exchange that follows `parent`; `release` when it is over, so that a long-lived parent keeps nothing. */
export function linkedSignal(parent: AbortSignal): {
  readonly controller: AbortController;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const follow = (): void => controller.abort(parent.reason);
  if (parent.aborted) follow();
  else parent.addEventListener('abort', follow, { once: true });
  return { controller, release: () => parent.removeEventListener('abort', follow) };
}

/** The reason with which the signal of an exchange aborts that ended well; made once, because a stack costs more than it tells. */
export const exchangeOver: CodedError = httpErrors.error('ConnectionBroken', 'the exchange is over');

/** The reason of an exchange whose other end went away. */
export function clientGone(): CodedError {
  return httpErrors.error('ConnectionBroken', 'the client went away before the answer was complete');
}

/**
 * The body under a context: a cancelled context throws in the reader and stops the source; whatever the source throws
 * becomes ConnectionBroken, because to the reader it is a truncated body. So does a length that is not the declared one.
 */
export function guardBody(ctx: Context, body: Body, events: GuardEvents, declaredLength?: number): Body {
  if (body === null || body instanceof Uint8Array) {
    events.done();
    return body;
  }
  return { [Symbol.asyncIterator]: () => new GuardedBody(ctx, body[Symbol.asyncIterator](), events, declaredLength) };
}

/** Stops a body that nobody will read. */
export function discardBody(body: Body): void {
  if (body === null || body instanceof Uint8Array) return;
  void body[Symbol.asyncIterator]()
    .return?.()
    .then(undefined, () => undefined);
}

class GuardedBody implements AsyncIterator<Uint8Array> {
  readonly #ctx: Context;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #events: GuardEvents;
  readonly #declared: number | undefined;
  #seen = 0;
  #over = false;
  #listens = false;
  /** Rejects the read under way. */
  #cut: (reason: unknown) => void = () => undefined;
  readonly #onAbort = (): void => this.#cut(cancelled(this.#ctx.signal));

  constructor(ctx: Context, source: AsyncIterator<Uint8Array>, events: GuardEvents, declared: number | undefined) {
    this.#declared = declared;
    this.#ctx = ctx;
    this.#source = source;
    this.#events = events;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#over) return { done: true, value: undefined };
    try {
      const result = await this.#read();
      if (result.done !== true) this.#seen += result.value.length;
      else this.#checkLength();
      if (result.done === true) this.#end(() => this.#events.done());
      return result;
    } catch (error) {
      const reason = this.#ctx.signal.aborted ? cancelled(this.#ctx.signal) : broken(error);
      if (!this.#ctx.signal.aborted) this.#events.failed?.(error);
      this.#stop(reason);
      throw reason;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop(clientGone());
    return { done: true, value: undefined };
  }

  /** The next piece, or a rejection as soon as the context is cancelled; one listener serves all reads of a body. */
  #read(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#listens) {
      this.#listens = true;
      this.#ctx.signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    return new Promise((resolve, reject) => {
      this.#cut = reject;
      if (this.#ctx.signal.aborted) this.#onAbort();
      else this.#source.next().then(resolve, reject);
    });
  }

  #checkLength(): void {
    if (this.#declared !== undefined && this.#declared !== this.#seen) {
      throw httpErrors.error(
        'ConnectionBroken',
        `the body was declared as ${this.#declared} bytes and has ${this.#seen}`,
      );
    }
  }

  #stop(reason: unknown): void {
    this.#end(() => {
      this.#events.stopped(reason);
      void this.#source.return?.().then(undefined, () => undefined);
    });
  }

  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#ctx.signal.removeEventListener('abort', this.#onAbort);
    tell();
  }
}

function broken(cause: unknown): CodedError {
  if (cause instanceof CodedError && cause.code === 'ConnectionBroken') return cause;
  return httpErrors.error('ConnectionBroken', 'the body ended before it was complete', { cause });
}
