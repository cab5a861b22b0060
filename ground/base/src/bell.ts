/** A wait that whoever sees a change may cut short. */
import { sleep, throwIfCancelled, withCancel, type Context } from './context.ts';

/** For one waiter at a time; a bell that rang while nobody waited is not forgotten. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Ends the wait under way, or else the next one. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits until it rings, `delayMs` at most. Throws when the context is cancelled. */
  async wait(ctx: Context, delayMs: number): Promise<void> {
    const { ctx: inner, cancel } = withCancel(ctx);
    this.#wake = cancel;
    try {
      if (!this.#rung) await sleep(inner, delayMs);
    } catch (error) {
      throwIfCancelled(ctx);
      if (!this.#rung) throw error;
    } finally {
      this.#wake = undefined;
      this.#rung = false;
    }
    throwIfCancelled(ctx);
  }
}
