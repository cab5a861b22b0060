import { background, withCancel } from '@polyanthus/ground-base/context';
import type { Clock } from '@polyanthus/ground-base/clock';
import { describe, expect, it } from 'vitest';
import { Admission, defaultAdmission, isLongLived } from './admission.ts';
import { Stalls } from './stalls.ts';

/** Time that the test moves. */
function handClock(): Clock & { readonly move: (ms: number) => void } {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly fn: () => void }>();
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, fn) => {
      const timer = { atMs: nowMs + delayMs, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    move: (ms) => {
      nowMs += ms;
      for (const timer of timers) {
        if (timer.atMs > nowMs) continue;
        timers.delete(timer);
        timer.fn();
      }
    },
  };
}

describe('admission', () => {
  it('moves a slow short call over to the long-lived ones, and lets the next one in', async () => {
    const clock = handClock();
    const ctx = background({ clock });
    const admission = new Admission(clock, { ...defaultAdmission, shortMax: 1, shortHoldMs: 2_000 });
    const release = await admission.enter(ctx, false);
    const next = admission.enter(ctx, false);
    expect(admission.counts).toEqual({ short: 1, long: 0, waiting: 1 });
    clock.move(2_000);
    const second = await next;
    expect(admission.counts).toEqual({ short: 1, long: 1, waiting: 0 });
    release();
    release();
    second();
    expect(admission.counts).toEqual({ short: 0, long: 0, waiting: 0 });
  });

  it('gives up waiting after the time of the queue, and when the caller goes', async () => {
    const clock = handClock();
    const ctx = background({ clock });
    const admission = new Admission(clock, { ...defaultAdmission, shortMax: 1, shortHoldMs: 1e9, queueWaitMs: 100 });
    await admission.enter(ctx, false);
    const late = expect(admission.enter(ctx, false)).rejects.toMatchObject({ code: 'TunnelBusy' });
    const scope = withCancel(ctx);
    const gone = expect(admission.enter(scope.ctx, false)).rejects.toMatchObject({ code: 'Cancelled' });
    scope.cancel();
    await gone;
    clock.move(100);
    await late;
    expect(admission.counts).toEqual({ short: 1, long: 0, waiting: 0 });
  });

  it.each([
    ['/api/v1/pods', false],
    ['/api/v1/pods?watch=true', true],
    ['/api/v1/pods?watch=1&limit=5', true],
    ['/api/v1/pods?watch=false', false],
    ['/api/v1/namespaces/a/pods/b/log?follow=true', true],
    ['/api/v1/watch/pods', true],
    ['/apis/apps/v1/watch/deployments', true],
    ['/api/v1/namespaces/watch/pods', false],
  ])('%s is long-lived: %s', (url, expected) => expect(isLongLived({ url })).toBe(expected));
});

describe('stalled readers', () => {
  it('above the limit the longest stalled is reset, and a reader that asks is not', () => {
    const clock = handClock();
    const stalls = new Stalls(clock, { stalledMax: 1, stalledAfterMs: 100 });
    const reset: string[] = [];
    const follow = (name: string) => {
      const reader = stalls.follow(() => reset.push(name));
      reader.handedOut();
      clock.move(10);
      return reader;
    };
    const [, second] = [follow('first'), follow('second'), follow('third')];
    second.askedAgain();
    clock.move(100);
    expect(stalls.enforce()).toBe(1);
    expect(stalls.enforce()).toBe(0);
    expect(reset).toEqual(['first']);
  });
});
