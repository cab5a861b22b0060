/** Whether the other end lives, judged by bytes seen; a silent one is asked with an HTTP/2 ping. */
import type { Http2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '@polyanthus/ground-base/clock';

/** Times in milliseconds. */
export interface HeartbeatOptions {
  /** How often silence is looked for. */
  readonly everyMs: number;
  /** Silence so long is death. */
  readonly deadAfterMs: number;
  /** Silence so long after a request is death, when all that was written has left this process. */
  readonly answerWithinMs: number;
}

/** A dead network is noticed within 16 to 21 s, and 5 s after a request that it swallows. */
export const defaultHeartbeat: HeartbeatOptions = { everyMs: 5_000, deadAfterMs: 16_000, answerWithinMs: 5_000 };

/** What whoever sends requests tells the watch over a session. */
export interface Liveness {
  /** Somebody waits for an answer, and must not wait for the next beats to learn that nobody is there. */
  ask(): void;
}

/** Watches a session that runs over `connection` until it closes; a dead one is destroyed. */
export function keepAlive(
  clock: Clock,
  session: Http2Session,
  connection: Duplex,
  options: HeartbeatOptions,
): Liveness {
  return new Watch(clock, session, connection, options);
}

class Watch implements Liveness {
  readonly #clock: Clock;
  readonly #session: Http2Session;
  readonly #connection: Duplex;
  readonly #options: HeartbeatOptions;
  #seenMs: number;
  /** When the first of those asked that has had no byte since. */
  #waitingMs = 0;
  #pinged = false;
  #beat: Timer | undefined;
  #question: Timer | undefined;

  constructor(clock: Clock, session: Http2Session, connection: Duplex, options: HeartbeatOptions) {
    this.#clock = clock;
    this.#session = session;
    this.#connection = connection;
    this.#options = options;
    this.#seenMs = clock.monotonic();
    connection.on('data', () => void (this.#seenMs = clock.monotonic()));
    this.#nextBeat();
    session.once('close', () => {
      this.#beat?.cancel();
      this.#question?.cancel();
    });
  }

  ask(): void {
    if (this.#seenMs >= this.#waitingMs) {
      this.#waitingMs = this.#clock.monotonic();
      this.#pinged = false;
    }
    if (this.#question === undefined) this.#nextQuestion();
  }

  #nextQuestion(): void {
    this.#question = this.#clock.after(this.#options.answerWithinMs / 2, () => this.#lookForAnswer(), { unref: true });
  }

  /** Half of the time is for the answer, the other half for that to a ping. */
  #lookForAnswer(): void {
    this.#question = undefined;
    if (this.#seenMs >= this.#waitingMs || this.#session.destroyed) return;
    // What waits here for a slow link is no proof of death; the beats judge that.
    if (this.#pinged && this.#connection.writableLength === 0) return this.#destroy();
    this.#pinged = true;
    this.#ping();
    this.#nextQuestion();
  }

  #nextBeat(): void {
    this.#beat = this.#clock.after(this.#options.everyMs, () => this.#look(), { unref: true });
  }

  #look(): void {
    const silentMs = this.#clock.monotonic() - this.#seenMs;
    if (silentMs >= this.#options.deadAfterMs) return this.#destroy();
    if (silentMs >= this.#options.everyMs / 2) this.#ping();
    this.#nextBeat();
  }

  #ping(): void {
    if (this.#session.closed || this.#session.destroyed) return;
    this.#session.ping(() => undefined);
  }

  #destroy(): void {
    this.#session.destroy();
    this.#connection.destroy();
  }
}
