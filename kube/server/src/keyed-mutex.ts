/** One queue a key: sections of the same key run one after another, others do not wait for them. */
import { Mutex } from '@polyanthus/ground-base/mutex';

export class KeyedMutex {
  readonly #queues = new Map<string, { readonly mutex: Mutex; waiting: number }>();

  /** Runs `fn` when all earlier ones of this key have ended. Who waits is bounded by the requests in flight. */
  async run<T>(key: string, fn: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? { mutex: new Mutex(), waiting: 0 };
    this.#queues.set(key, queue);
    queue.waiting += 1;
    try {
      return await queue.mutex.run(fn);
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#queues.delete(key);
    }
  }
}
