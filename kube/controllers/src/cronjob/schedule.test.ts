import { describe, expect, it } from 'vitest';
import { assert as check, integer, property } from 'fast-check';
import { parseSchedule } from './schedule.ts';

const from = Date.parse('2026-03-04T10:20:30Z'); // a Wednesday
const next = (text: string, zone?: string): string | undefined => {
  const ms = parseSchedule(text, zone)?.next(from);
  return ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16);
};

describe('a schedule', () => {
  it.each([
    ['* * * * *', '2026-03-04T10:21'],
    ['20 10 * * *', '2026-03-05T10:20'],
    ['*/15 * * * *', '2026-03-04T10:30'],
    ['5/20 * * * *', '2026-03-04T10:25'],
    ['0 0 1 jan ?', '2027-01-01T00:00'],
    ['0 12 * * MON-FRI', '2026-03-04T12:00'],
    ['0 12 13 * fri', '2026-03-06T12:00'],
    ['0 12 13 * *', '2026-03-13T12:00'],
    ['0 0 29 2 *', '2028-02-29T00:00'],
    ['0,40 9-11/2 * * *', '2026-03-04T11:00'],
    ['@daily', '2026-03-05T00:00'],
    ['@every 1h30m', '2026-03-04T11:50'],
    ['0 0 31 2 *', undefined],
  ])('%s is next at %s', (text, expected) => {
    expect(next(text)).toBe(expected);
  });

  it.each([
    ['30 9 * * *', 'America/New_York', '2026-03-04T14:30'],
    ['0 18 * * *', 'Asia/Kolkata', '2026-03-04T12:30'],
    // Clocks go forward on 8 March: nine o'clock comes an hour earlier.
    ['0 9 8 3 *', 'America/New_York', '2026-03-08T13:00'],
  ])('%s in %s is next at %s', (text, zone, expected) => {
    expect(next(text, zone)).toBe(expected);
  });

  it.each(['', '* * * *', '60 * * * *', '* * 0 * *', '* * * * 8', 'a * * * *', '5-2 * * * *', '*/0 * * * *', '@often'])(
    'is not: %j',
    (text) => {
      expect(parseSchedule(text)).toBeUndefined();
    },
  );

  it('is not in a zone that does not exist', () => {
    expect(parseSchedule('* * * * *', 'Mars/Olympus')).toBeUndefined();
  });

  it('goes on: the next time is later, at a whole minute, and nothing between is due', () => {
    const schedule = parseSchedule('7,33 */5 * * 1-5', 'Europe/Berlin');
    check(
      property(integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        const at = schedule?.next(seconds * 1000) ?? 0;
        expect(at).toBeGreaterThan(seconds * 1000);
        expect(at % 60_000).toBe(0);
        expect(schedule?.next(at - 60_000)).toBe(at);
      }),
      { numRuns: 100, interruptAfterTimeLimit: 2000 },
    );
  });
});
