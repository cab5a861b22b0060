import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { expect, it } from 'vitest';
import { Bell } from './bell.ts';
import { background, withCancel } from './context.ts';

it('ends a wait when it rings, when the time is over, and at once when it has rung before', async () => {
  const clock = createVirtualClock();
  const ctx = background({ clock });
  const bell = new Bell();
  const ends: number[] = [];
  const note = (): void => void ends.push(clock.monotonic());
  const first = bell.wait(ctx, 1000).then(note);
  await clock.advance(300);
  bell.ring();
  await first;
  const second = bell.wait(ctx, 1000).then(note);
  await clock.advance(2000);
  await second;
  bell.ring();
  await bell.wait(ctx, 1000).then(note);
  expect(ends).toEqual([300, 1300, 2300]);
  expect(clock.pending).toBe(0);
});

it('throws what cancelled the context', async () => {
  const { ctx, cancel } = withCancel(background({ clock: createVirtualClock() }));
  const waiting = new Bell().wait(ctx, 1000);
  cancel();
  await expect(waiting).rejects.toMatchObject({ code: 'Cancelled' });
});
