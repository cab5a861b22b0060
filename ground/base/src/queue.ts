/** A bounded queue between one or more writers and one reader. */
import { baseErrors } from './errors.ts';

/** Items in order; `push` answers false when the bound is reached, so that the writer decides what a slow reader means. */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  #head = 0;
  #closed = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** False when full or closed: the item was not taken. */
  push(item: T): boolean {
    if (this.#closed || this.size >= this.#limit) return false;
    this.#items.push(item);
    this.#wake?.();
    return true;
  }

  /** Like push, but a full queue is an error (QueueFull). Items after close are dropped. */
  offer(item: T): void {
    if (!this.#closed && !this.push(item))
      throw baseErrors.error('QueueFull', `a queue of ${this.#limit} items is full`);
  }

  /** No more items; the reader gets what is left, then the end, or `error`. */
  close(error?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = error;
    this.#wake?.();
  }

  /** The next item, or undefined at the end. Throws what `close` was given once the rest is read. */
  async next(): Promise<T | undefined> {
    while (this.size === 0) {
      if (this.#closed) {
        if (this.#failure !== undefined) throw this.#failure;
        return undefined;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    const item = this.#items[this.#head++] as T;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (let item = await this.next(); item !== undefined; item = await this.next()) yield item;
  }
}
