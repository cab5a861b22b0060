import { describe, expect, it } from 'vitest';
import { background, sleep, withCancel, type Context } from '@polyanthus/ground-base/context';
import { defineErrors } from '@polyanthus/ground-base/errors';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { createTestClock } from './testing.ts';
import { runController, type ControllerOptions } from './controller.ts';
import { WorkQueue } from './queue.ts';

const testErrors = defineErrors({
  RuntimeTestTerminal: { meaning: 'never again', next: 'nothing', terminal: true },
  RuntimeTestPassing: { meaning: 'try again', next: 'wait' },
});

function setup(reconcile: ControllerOptions['reconcile'], more: Partial<ControllerOptions> = {}) {
  const clock = createTestClock();
  const metrics = new MetricsRegistry();
  const { ctx, cancel } = withCancel(background({ clock }));
  const queue = new WorkQueue({ name: 'test', clock, metrics });
  const stopped = runController(ctx, { name: 'test', reconcile, queue, metrics, ...more });
  const metric = (name: string): string | undefined =>
    metrics
      .expose()
      .split('\n')
      .find((line) => line.startsWith(name));
  return { clock, queue, metric, stop: () => (cancel(), stopped) };
}

describe('runController', () => {
  it('calls again after the time that reconcile answers', async () => {
    const calls: number[] = [];
    const { clock, queue, stop, metric } = setup(async (ctx) => {
      calls.push(ctx.clock.now());
      return calls.length < 3 ? { requeueAfterMs: 1000 } : undefined;
    });
    const start = clock.now();
    queue.add('a');
    await clock.advance(10_000);
    expect(calls.map((at) => at - start)).toEqual([0, 1000, 2000]);
    await stop();
    expect(metric('controller_runtime_reconcile_total{controller="test",result="requeue_after"}')).toMatch(/ 2$/);
    expect(metric('controller_runtime_reconcile_total{controller="test",result="success"}')).toMatch(/ 1$/);
  });

  it('retries failures with back-off, counts a crash, and never retries a terminal error', async () => {
    const failures = [
      testErrors.error('RuntimeTestPassing', 'no'),
      new TypeError('oops'),
      testErrors.error('RuntimeTestTerminal', 'never'),
    ];
    let calls = 0;
    const { clock, queue, stop, metric } = setup(async () => {
      throw failures[calls++] ?? new Error('called too often');
    });
    queue.add('a');
    await clock.advance(60_000);
    expect(calls).toBe(3);
    expect(metric('controller_runtime_reconcile_errors_total')).toMatch(/ 3$/);
    expect(metric('controller_runtime_terminal_reconcile_errors_total')).toMatch(/ 1$/);
    expect(metric('controller_runtime_reconcile_panics_total')).toMatch(/ 1$/);
    await stop();
  });

  it('works on several keys at once but never on one key twice', async () => {
    let now = 0;
    let most = 0;
    const inWork = new Set<string>();
    const { clock, queue, stop } = setup(
      async (ctx, key) => {
        expect(inWork.has(key)).toBe(false);
        inWork.add(key);
        most = Math.max(most, ++now);
        await sleep(ctx, 100);
        now--;
        inWork.delete(key);
      },
      { workers: 2 },
    );
    for (const key of ['a', 'b', 'c', 'a']) queue.add(key);
    await clock.advance(50);
    queue.add('a');
    await clock.advance(1000);
    expect([most, now]).toEqual([2, 0]);
    await stop();
  });

  it('goes on with other keys when one misses its deadline, and leaves that one alone until it has ended', async () => {
    const gate = Promise.withResolvers<void>();
    const calls: string[] = [];
    const { clock, queue, stop, metric } = setup(
      async (_ctx: Context, key: string) => {
        calls.push(key);
        if (key === 'stuck' && calls.length === 1) await gate.promise;
      },
      { reconcileTimeoutMs: 500 },
    );
    queue.add('stuck');
    queue.add('other');
    await clock.advance(2000);
    expect(calls).toEqual(['stuck', 'other']);
    expect(metric('controller_runtime_reconcile_timeouts_total')).toMatch(/ 1$/);
    gate.resolve();
    await clock.advance(2000);
    expect(calls).toEqual(['stuck', 'other', 'stuck']);
    await stop();
  });

  it('starts only after its informers have synced, and ends when cancelled before', async () => {
    const synced = Promise.withResolvers<void>();
    const calls: string[] = [];
    const { clock, queue, stop } = setup(async (_ctx, key) => void calls.push(key), {
      informers: [{ synced: synced.promise }],
    });
    queue.add('a');
    await clock.advance(1000);
    expect(calls).toEqual([]);
    synced.resolve();
    await clock.advance(1);
    expect(calls).toEqual(['a']);
    await stop();
    const never = setup(async () => undefined, { informers: [{ synced: new Promise(() => undefined) }] });
    await never.stop();
  });
});
