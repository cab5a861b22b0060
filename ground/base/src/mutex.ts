/** Runs async sections one after another, in the order they asked. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `fn` when all earlier ones have ended, whether they failed or not. */
  run<T>(fn: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(fn, fn);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
