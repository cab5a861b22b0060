/**
 * Preloaded into the hub (`node --import`): measures the delay of its main thread's event loop. SIGUSR2 writes what was
 * seen since the last time to the file that BENCH_LOOP_DELAY names, as JSON in milliseconds, and begins anew.
 */
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env['BENCH_LOOP_DELAY'];
/** Node counts the timer's own period in; it is taken off again. */
const resolutionMs = 1;

if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  process.on('SIGUSR2', () => {
    const seen = {
      p50: ms(delay.percentile(50)),
      p99: ms(delay.percentile(99)),
      max: ms(delay.max),
      count: delay.count,
    };
    writeFileSync(file, JSON.stringify(seen));
    delay.reset();
  });
}
