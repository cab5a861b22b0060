import { expect, test } from 'vitest';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { createInFlight } from './in-flight.ts';

test('each kind has its own places, and a refusal says when to come again', () => {
  const limits = createInFlight({ mutating: 1, readOnly: 1, long: 1 }, new MetricsRegistry().gauge('g', 'g'));
  const leave = limits.enter('mutating');
  limits.enter('readOnly');
  expect(() => limits.enter('mutating')).toThrowError(
    expect.objectContaining({
      status: expect.objectContaining({ code: 429, details: { retryAfterSeconds: 1 } }) as object,
    }) as Error,
  );
  leave();
  limits.enter('mutating');
});
