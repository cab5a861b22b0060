import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { background, withCancel, withinTime, withTimeout, type Context } from './context.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe.each([
  ['withTimeout', withTimeout],
  ['withinTime', withinTime],
])('%s', (_name, bounded) => {
  it('answers what the work answers, and keeps no timer', async () => {
    const clock = createVirtualClock();
    expect(await bounded(background({ clock }), 1000, 'the work', () => Promise.resolve(7))).toBe(7);
    expect(clock.pending).toBe(0);
  });

  it('ends the work at its deadline, or at that of the caller when it comes first', async () => {
    const clock = createVirtualClock();
    const ctx = background({ clock });
    let inner: Context | undefined;
    const work = bounded(ctx, 5000, 'the outer work', (within) =>
      bounded(within, 60_000, 'the inner work', (deepest) => {
        inner = deepest;
        return never();
      }),
    ).catch((error: unknown) => error);
    await clock.advance(5000);
    expect(await work).toMatchObject({ code: 'DeadlineExceeded' });
    expect([inner?.signal.aborted, inner?.deadlineMs, clock.pending]).toEqual([true, 5000, 0]);
  });

  it('is cancelled with its caller, also when that happened before', async () => {
    const { ctx, cancel } = withCancel(background({ clock: createVirtualClock() }));
    let inner: Context | undefined;
    const work = bounded(ctx, 1000, 'the work', (within) => {
      inner = within;
      return never();
    }).catch((error: unknown) => error);
    cancel();
    expect(await work).toMatchObject({ code: 'Cancelled' });
    expect(inner?.signal.aborted).toBe(true);
    await expect(bounded(ctx, 1000, 'the work', never)).rejects.toMatchObject({ code: 'Cancelled' });
  });
});

it('leaves nothing on the signal of a caller that lives long', async () => {
  const ctx = background({ clock: createVirtualClock() });
  for (let round = 0; round < 3; round++) await withinTime(ctx, 1000, 'the work', () => Promise.resolve());
  expect(getEventListeners(ctx.signal, 'abort')).toEqual([]);
});
