/** A sliding window: as soon as one lane ends the next begins, in order. */

/** Runs `fn` for each item, `window` at once; waits for all, also after a failure, then throws the first one. */
export async function slide<T>(items: readonly T[], window: number, fn: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined && failures.length === 0; item = waiting.shift()) {
      try {
        await fn(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, waiting.length) }, work));
  if (failures.length > 0) throw failures[0];
}
