/**
 * What a controller has just done and its cache does not show yet (kube-controller-manager's ControllerExpectations): until
 * the watch has told of it, counting from the cache would do it twice.
 */
import type { Clock } from '@polyanthus/ground-base/clock';

interface Pending {
  creations: number;
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

/** An expectation that never comes true ends after this long: a watch lost an event, and counting anew is safer. */
const expiryMs = 300_000;

/** Writes by key that the cache does not show yet. */
export class Expectations {
  readonly #pending = new Map<string, Pending>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the cache shows everything that was done for `key`. */
  satisfied(key: string): boolean {
    const pending = this.#pending.get(key);
    if (pending === undefined) return true;
    return (
      (pending.creations <= 0 && pending.deletions.size === 0) || this.#clock.monotonic() - pending.sinceMs > expiryMs
    );
  }

  /** Call before the writes: the watch may be faster than their answers. */
  expect(key: string, creations: number, deletionUids: readonly string[]): void {
    this.#pending.set(key, { creations, deletions: new Set(deletionUids), sinceMs: this.#clock.monotonic() });
  }

  /** The same for rounds that write several times: on top of what is expected already. */
  add(key: string, creations: number, deletionUids: readonly string[]): void {
    const known = this.#pending.get(key);
    this.expect(key, Math.max(0, known?.creations ?? 0) + creations, [...(known?.deletions ?? []), ...deletionUids]);
  }

  /** A creation was seen, or has failed. */
  created(key: string): void {
    const pending = this.#pending.get(key);
    if (pending !== undefined) pending.creations--;
  }

  /** A deletion was seen, or has failed. */
  deleted(key: string, uid: string): void {
    this.#pending.get(key)?.deletions.delete(uid);
  }

  forget(key: string): void {
    this.#pending.delete(key);
  }
}
