import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { createTestClock } from './testing.ts';
import { WorkQueue, type QueueOptions } from './queue.ts';

function setup(options: Partial<QueueOptions> = {}) {
  const clock = createTestClock();
  const metrics = new MetricsRegistry();
  return {
    clock,
    metrics,
    ctx: background({ clock }),
    queue: new WorkQueue({ name: 'q', clock, metrics, ...options }),
  };
}

describe('the work queue', () => {
  it('holds a key once however often it is added', async () => {
    const { ctx, queue, metrics } = setup();
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    expect(queue.depth).toBe(2);
    expect([await queue.take(ctx), await queue.take(ctx)]).toEqual(['a', 'b']);
    expect(metrics.expose()).toContain('workqueue_adds_total{controller="q",name="q"} 2');
    expect(metrics.expose()).toContain('workqueue_depth{controller="q",name="q"} 0');
  });

  it('gives a key again only after it is done, and once more when it changed meanwhile', async () => {
    const { ctx, queue } = setup();
    queue.add('a');
    await queue.take(ctx);
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(queue.depth).toBe(1);
    await queue.take(ctx);
    queue.done('a');
    expect(queue.idle).toBe(true);
  });

  it('takes the earliest of several delays', async () => {
    const { clock, queue } = setup();
    queue.addAfter('a', 5000);
    queue.addAfter('a', 1000);
    queue.addAfter('a', 3000);
    expect(queue.delayedCount).toBe(1);
    await clock.advance(999);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(queue.depth).toBe(1);
    await clock.advance(10_000);
    expect(queue.depth).toBe(1);
  });

  it('doubles the delay of a key until it is forgotten', async () => {
    const { clock, ctx, queue } = setup();
    const waited: number[] = [];
    for (let round = 0; round < 4; round++) {
      if (round === 3) queue.forget('a');
      queue.addRateLimited('a');
      const since = clock.now();
      while (queue.depth === 0) await clock.advance(1);
      waited.push(clock.now() - since);
      await queue.take(ctx);
      queue.done('a');
    }
    expect(waited).toEqual([5, 10, 20, 5]);
    expect(queue.retries('a')).toBe(1);
  });

  it('bounds the retries of all keys together', async () => {
    const { clock, queue } = setup({ retriesPerSecond: 10, retryBurst: 2 });
    for (const key of ['a', 'b', 'c', 'd']) queue.addRateLimited(key);
    await clock.advance(5);
    expect(queue.depth).toBe(2);
    await clock.advance(200);
    expect(queue.depth).toBe(4);
  });

  it('refuses more keys than its bound', () => {
    const { queue } = setup({ sizeMax: 2 });
    queue.add('a');
    queue.addAfter('b', 1000);
    expect(() => queue.add('c')).toThrow('holds 2 keys');
  });

  it('wakes waiting workers when it is closed or their context ends', async () => {
    const { ctx, queue } = setup();
    const { ctx: inner, cancel } = withCancel(ctx);
    const cancelled = queue.take(inner);
    const closed = queue.take(ctx);
    cancel();
    await expect(cancelled).rejects.toMatchObject({ code: 'Cancelled' });
    queue.add('a');
    expect(await closed).toBe('a');
    const last = queue.take(ctx);
    queue.close();
    expect(await last).toBeUndefined();
  });

  it('never loses a key and never gives one to two workers', async () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'take', 'done', 'after'),
      key: fc.constantFrom('a', 'b', 'c'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, ctx, queue } = setup();
        const working = new Set<string>();
        const wanted = new Set<string>();
        const take = async (): Promise<void> => {
          const key = (await queue.take(ctx)) ?? '';
          expect(working.has(key)).toBe(false);
          working.add(key);
          wanted.delete(key);
        };
        const finish = (key: string): void => {
          queue.done(key);
          working.delete(key);
        };
        for (const { what, key } of steps) {
          if (what === 'add') queue.add(key);
          if (what === 'after') queue.addAfter(key, 10);
          if (what === 'add' || what === 'after') wanted.add(key);
          if (what === 'take' && queue.depth > 0) await take();
          if (what === 'done') finish(key);
        }
        await clock.advance(10);
        for (const key of working) finish(key);
        while (queue.depth > 0) {
          await take();
          for (const key of working) finish(key);
        }
        expect([...wanted]).toEqual([]);
      }),
      { interruptAfterTimeLimit: 1500 },
    );
  });
});
