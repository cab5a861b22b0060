/** The loop of a discrete-event simulation: things happen at times, and nothing in between. Times are ms since the start. */
import { TimeHeap } from '../heap.ts';

interface Event {
  readonly fn: () => void;
  /** Giving up is no change of the cluster: when nothing else is left, what waits waits for ever. */
  readonly deadline: boolean;
  cancelled: boolean;
}

/** Takes an event back. */
export type Cancel = () => void;

/** Events at most: beyond this something turns in a circle. */
const eventsMax = 20_000_000;

/** See the file's header. */
export class EventLoop {
  readonly #heap = new TimeHeap<Event>();
  #nowMs = 0;
  #live = 0;
  #ran = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events carried out so far. */
  get ran(): number {
    return this.#ran;
  }

  /** Whether anything but deadlines is still to come. */
  get alive(): boolean {
    return this.#live > 0;
  }

  /** Something that happens after so many milliseconds. */
  after(delayMs: number, fn: () => void): Cancel {
    return this.#push(delayMs, fn, false);
  }

  /** Something that happens only because nothing else did. */
  deadline(delayMs: number, fn: () => void): Cancel {
    return this.#push(delayMs, fn, true);
  }

  #push(delayMs: number, fn: () => void, deadline: boolean): Cancel {
    const event: Event = { fn, deadline, cancelled: false };
    this.#heap.push(this.#nowMs + delayMs, event);
    if (!deadline) this.#live += 1;
    return () => {
      if (event.cancelled) return;
      event.cancelled = true;
      if (!deadline) this.#live -= 1;
    };
  }

  /** Until nothing is left. */
  run(): void {
    for (let next = this.#heap.pop(); next !== undefined; next = this.#heap.pop()) {
      const { item: event, atMs } = next;
      if (event.cancelled) continue;
      // Whoever cancels it later must not count it twice.
      event.cancelled = true;
      if (!event.deadline) this.#live -= 1;
      this.#nowMs = atMs;
      this.#ran += 1;
      if (this.#ran > eventsMax) throw new Error('the rehearsal does not come to an end');
      event.fn();
    }
  }
}
