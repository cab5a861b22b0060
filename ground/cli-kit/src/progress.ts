/** Progress of anything longer than two seconds: redrawn on a terminal, one plain line a step elsewhere. Goes to stderr. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Io } from './io.ts';

/** Reports steps in order; each ends before the next begins. */
export interface Progress {
  /** Runs `fn` as the step `title` and prints how it ended and how long it took. */
  step<T>(ctx: Context, title: string, fn: () => Promise<T>): Promise<T>;
}

/** Progress that prints to `io`. */
export function createProgress(io: Io): Progress {
  return {
    step: async (ctx, title, fn) => {
      const beganMs = ctx.clock.monotonic();
      if (io.terminal) io.err(`… ${title}`);
      const end = (mark: string): void => {
        const seconds = ((ctx.clock.monotonic() - beganMs) / 1000).toFixed(1);
        io.err(`${io.terminal ? '\r\u001b[K' : ''}${mark} ${title} (${seconds} s)\n`);
      };
      try {
        const result = await fn();
        end('✓');
        return result;
      } catch (error) {
        end('✗');
        throw error;
      }
    },
  };
}
