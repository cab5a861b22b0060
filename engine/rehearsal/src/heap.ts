/** A binary heap of things by time; equal times come out in the order in which they went in. */

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly item: T;
}

/** The earliest first: push and pop in O(log n). */
export class TimeHeap<T> {
  readonly #entries: Entry<T>[] = [];
  #pushed = 0;

  get size(): number {
    return this.#entries.length;
  }

  push(atMs: number, item: T): void {
    const entry = { atMs, order: this.#pushed++, item };
    const entries = this.#entries;
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || !before(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  /** Undefined when it is empty. */
  pop(): { readonly atMs: number; readonly item: T } | undefined {
    const [first] = this.#entries;
    const last = this.#entries.pop();
    if (first !== undefined && last !== undefined && first !== last) this.#sink(last);
    return first;
  }

  /** Puts the entry at the top and lets it sink to its place. */
  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = entries[child];
      if (below === undefined) break;
      const right = entries[child + 1];
      if (right !== undefined && before(right, below)) {
        child += 1;
        below = right;
      }
      if (!before(below, entry)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = entry;
  }
}

function before<T>(one: Entry<T>, other: Entry<T>): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
