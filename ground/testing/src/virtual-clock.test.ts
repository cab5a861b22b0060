import { background, sleep, withTimeout } from '@polyanthus/ground-base/context';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from './virtual-clock.ts';

describe('the virtual clock', () => {
  it('stands still by itself', async () => {
    const clock = createVirtualClock({ startMs: 1_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([1_000, 0, 0]);
  });

  it('runs timers at their time, in order of time and then of setting', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.now()}`);
    clock.after(20, note('b'));
    clock.after(10, note('a'));
    clock.after(20, note('c'));
    clock.after(31, note('later'));
    await clock.advance(30);
    expect(seen).toEqual(['a@10', 'b@20', 'c@20']);
    expect([clock.now(), clock.pending]).toEqual([30, 1]);
  });

  it('runs timers that the work itself sets, however deep the promises are', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    const ctx = background({ clock });
    const wakings: number[] = [];
    const work = (async () => {
      for (let turn = 0; turn < 5; turn++) {
        await sleep(ctx, 10);
        await Promise.resolve().then(() => Promise.resolve());
        await new Promise((resolve) => setImmediate(resolve));
        wakings.push(clock.now());
      }
    })();
    await clock.advance(50);
    await work;
    expect(wakings).toEqual([10, 20, 30, 40, 50]);
  });

  it('drives deadlines', async () => {
    const clock = createVirtualClock();
    const never = withTimeout(background({ clock }), 5_000, 'the work', () => new Promise<void>(() => undefined));
    const outcome = never.catch((error: unknown) => error);
    expect(await clock.advanceToNext()).toBe(true);
    expect(await outcome).toMatchObject({ code: 'DeadlineExceeded' });
    expect(clock.pending).toBe(0);
  });

  it('jumps to the next timer, and says when there is none', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    let ran = 0;
    clock.after(7, () => ran++);
    clock.after(7, () => ran++);
    expect(await clock.advanceToNext()).toBe(true);
    expect([clock.now(), ran]).toEqual([7, 2]);
    expect(await clock.advanceToNext()).toBe(false);
    expect(clock.now()).toBe(7);
  });

  it('never runs what was cancelled, even by an earlier timer of the same instant', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    const ran: string[] = [];
    const timer = clock.after(5, () => void ran.push('cancelled'));
    const first = clock.after(5, () => void ran.push('kept'));
    clock.after(4, () => timer.cancel());
    timer.cancel();
    await clock.advance(10);
    first.cancel();
    expect(ran).toEqual(['kept']);
  });

  it('refuses to be advanced twice at once', async () => {
    const clock = createVirtualClock();
    const first = clock.advance(1);
    await expect(clock.advance(1)).rejects.toThrow(/already being advanced/);
    await first;
    await clock.advance(1);
    expect(clock.monotonic()).toBe(2);
  });

  it('gives the error of a timer to whoever advances', async () => {
    const clock = createVirtualClock();
    clock.after(1, () => {
      throw new Error('broken timer');
    });
    await expect(clock.advance(1)).rejects.toThrow('broken timer');
  });

  it('keeps order for any set of timers and cancellations', async () => {
    const timers = fc.array(fc.record({ delayMs: fc.nat(20), cancel: fc.boolean() }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(timers, async (wanted) => {
        const clock = createVirtualClock({ startMs: 0 });
        const ran: [number, number][] = [];
        const set = wanted.map(({ delayMs }, index) => clock.after(delayMs, () => void ran.push([clock.now(), index])));
        wanted.forEach(({ cancel }, index) => cancel && set[index]?.cancel());
        await clock.advance(20);
        const expected = wanted
          .map(({ delayMs, cancel }, index) => ({ at: [delayMs, index] as [number, number], cancel }))
          .filter(({ cancel }) => !cancel)
          .map(({ at }) => at)
          .sort((left, right) => left[0] - right[0] || left[1] - right[1]);
        expect(ran).toEqual(expected);
      }),
      { numRuns: 50, interruptAfterTimeLimit: 2_000 },
    );
  });
});
