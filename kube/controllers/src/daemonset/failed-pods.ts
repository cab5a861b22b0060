/** How soon a daemon pod that failed is replaced: a kubelet that refuses pods would else be asked without end. */
import type { Clock } from '@polyanthus/ground-base/clock';

const initialMs = 1000;
const maxMs = 900_000;
/** Places remembered; the one that failed longest ago is forgotten first. */
const placesMax = 100_000;

interface Failure {
  readonly delayMs: number;
  readonly atMs: number;
}

/** Doubling delays by place: set, generation and node. */
export class FailedPods {
  readonly #failures = new Map<string, Failure>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when the failed pod of this place may be replaced now, which begins the next delay; else how long to wait. */
  waitMs(place: string): number {
    const nowMs = this.#clock.monotonic();
    const known = this.#failures.get(place);
    const quietMs = known === undefined ? Infinity : nowMs - known.atMs;
    if (known !== undefined && quietMs < known.delayMs) return known.delayMs - quietMs;
    const delayMs = known === undefined || quietMs > 2 * maxMs ? initialMs : Math.min(maxMs, known.delayMs * 2);
    this.#failures.delete(place);
    this.#failures.set(place, { delayMs, atMs: nowMs });
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= placesMax) break;
      this.#failures.delete(oldest);
    }
    return 0;
  }
}
