/**
 * Which requests may enter a tunnel. Short calls and long-lived streams (watches, follows, upgrades) are counted apart,
 * and a short call that takes long (a download that stalls) moves over to the long-lived ones, so that it holds no place
 * of the short ones. Over the limit a short call waits in a bounded queue; a long-lived one is refused at once.
 */
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import type { Clock, Timer } from '@polyanthus/ground-base/clock';
import type { HttpRequest } from '@polyanthus/ground-http/message';
import { tunnelErrors } from './errors.ts';

/** Places of one tunnel, and times in milliseconds. */
export interface AdmissionLimits {
  readonly shortMax: number;
  readonly longMax: number;
  /** Short calls that wait for a place. */
  readonly queueMax: number;
  readonly queueWaitMs: number;
  /** After this time a call counts as long-lived. */
  readonly shortHoldMs: number;
}

/** Below the streams that HTTP/2 allows (`tunnelLimits.streamsMax`), so that nothing waits in silence. */
export const defaultAdmission: AdmissionLimits = {
  shortMax: 400,
  longMax: 4_000,
  queueMax: 2_000,
  queueWaitMs: 10_000,
  shortHoldMs: 2_000,
};

/** Give it back once; a second time does nothing. */
export type Release = () => void;

/** Whether a request stays open by its nature (kube-apiserver's long-running check: watch and follow, and every upgrade). */
export function isLongLived(request: Pick<HttpRequest, 'url'>): boolean {
  const query = new URLSearchParams(request.url.split('?')[1] ?? '');
  // Whatever is neither "0" nor "false" is true to kube-apiserver.
  const on = (name: string): boolean => !['0', 'false'].includes((query.get(name) ?? '0').toLowerCase());
  return on('watch') || on('follow') || /^\/(api|apis\/[^/]+)\/[^/]+\/watch\//.test(request.url);
}

interface Waiter {
  readonly enter: (release: Release) => void;
}

/** The places of one tunnel. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #clock: Clock;
  readonly #queue = new Set<Waiter>();
  #short = 0;
  #long = 0;

  constructor(clock: Clock, limits: AdmissionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get counts(): { readonly short: number; readonly long: number; readonly waiting: number } {
    return { short: this.#short, long: this.#long, waiting: this.#queue.size };
  }

  /** Errors: TunnelBusy when there is no place, at once or after the queue's time. */
  async enter(ctx: Context, longLived: boolean): Promise<Release> {
    if (longLived) return this.#enterLong();
    if (this.#short < this.#limits.shortMax) return this.#enterShort();
    if (this.#queue.size >= this.#limits.queueMax)
      throw busy(`${this.#short} calls are under way and ${this.#queue.size} wait`);
    return this.#wait(ctx);
  }

  #enterLong(): Release {
    if (this.#long >= this.#limits.longMax) throw busy(`${this.#long} watches and streams are open`);
    this.#long++;
    return once(() => void this.#long--);
  }

  #enterShort(): Release {
    this.#short++;
    let moved = false;
    const timer = this.#clock.after(
      this.#limits.shortHoldMs,
      () => {
        if (this.#long >= this.#limits.longMax) return;
        moved = true;
        this.#long++;
        this.#leaveShort();
      },
      { unref: true },
    );
    return once(() => {
      timer.cancel();
      if (moved) this.#long--;
      else this.#leaveShort();
    });
  }

  #leaveShort(): void {
    this.#short--;
    const [next] = this.#queue;
    if (next === undefined || this.#short >= this.#limits.shortMax) return;
    this.#queue.delete(next);
    next.enter(this.#enterShort());
  }

  async #wait(ctx: Context): Promise<Release> {
    let timer: Timer | undefined;
    let waiter: Waiter | undefined;
    const place = new Promise<Release>((resolve, reject) => {
      waiter = { enter: resolve };
      this.#queue.add(waiter);
      timer = this.#clock.after(
        this.#limits.queueWaitMs,
        () => reject(busy(`no place became free in ${this.#limits.queueWaitMs} ms`)),
        { unref: true },
      );
    });
    try {
      return await untilAborted(ctx, place);
    } catch (error) {
      // A place that was given in the same turn in which the caller gave up goes back.
      if (waiter !== undefined && !this.#queue.delete(waiter))
        void place.then(
          (release) => release(),
          () => undefined,
        );
      throw error;
    } finally {
      timer?.cancel();
    }
  }
}

function once(fn: () => void): Release {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    fn();
  };
}

function busy(why: string): Error {
  return tunnelErrors.error('TunnelBusy', `the tunnel of this member is full: ${why}`);
}
