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
}

/** A dead network is noticed within 16 to 21 s. */
export const defaultHeartbeat: HeartbeatOptions = { everyMs: 5_000, deadAfterMs: 16_000 };

/** Watches a session that runs over `connection` until it closes; a dead one is destroyed. */
export function keepAlive(clock: Clock, session: Http2Session, connection: Duplex, options: HeartbeatOptions): void {
  let seen = clock.monotonic();
  let timer: Timer | undefined;
  connection.on('data', () => void (seen = clock.monotonic()));
  const beat = (): void => {
    const silentMs = clock.monotonic() - seen;
    if (silentMs >= options.deadAfterMs) {
      session.destroy();
      connection.destroy();
      return;
    }
    if (silentMs >= options.everyMs / 2 && !session.closed && !session.destroyed) session.ping(() => undefined);
    timer = clock.after(options.everyMs, beat, { unref: true });
  };
  timer = clock.after(options.everyMs, beat, { unref: true });
  session.once('close', () => timer?.cancel());
}
