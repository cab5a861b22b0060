/** Schedules of CronJobs: five fields of cron, names, steps, `@daily` and the like, in a time zone (robfig/cron as kcm uses it). */

/** A parsed schedule. */
export interface Schedule {
  /** The first time after `afterMs`, in milliseconds of wall time; undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
}

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
const horizonMs = 5 * 366 * dayMs;
const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const days = 'sun mon tue wed thu fri sat'.split(' ');
const fields: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: days },
];
const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const units: Readonly<Record<string, number>> = { h: 3_600_000, m: minuteMs, s: 1000 };

/** Undefined for a text that is no schedule, or a time zone that does not exist. UTC where none is given. */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule | undefined {
  const trimmed = text.trim();
  const every = everyMs(trimmed);
  if (every !== undefined) return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + every };
  const parts = (descriptors[trimmed] ?? trimmed).split(/\s+/);
  const sets = fields.map((field, index) => setOf(parts[index] ?? '', field));
  const offset = offsetsOf(timeZone);
  if (parts.length !== fields.length || sets.includes(undefined) || offset === undefined) return undefined;
  const [minutes, hours, monthDays, monthSet, weekDays] = sets as readonly ReadonlySet<number>[];
  if (!minutes || !hours || !monthDays || !monthSet || !weekDays) return undefined;
  const anyDay = isStar(parts[2] ?? '') || isStar(parts[4] ?? '');
  const isDay = (local: Date): boolean => {
    if (!monthSet.has(local.getUTCMonth() + 1)) return false;
    const [inMonth, inWeek] = [monthDays.has(local.getUTCDate()), weekDays.has(local.getUTCDay())];
    return anyDay ? inMonth && inWeek : inMonth || inWeek;
  };
  return {
    next: (afterMs) => {
      let at = Math.floor(afterMs / minuteMs) * minuteMs + minuteMs;
      while (at <= afterMs + horizonMs) {
        const local = new Date(at + offset(at));
        const hour = local.getUTCHours();
        const minute = local.getUTCMinutes();
        if (!isDay(local)) at += dayMs - (hour * 60 + minute) * minuteMs;
        else if (!hours.has(hour)) at += (60 - minute) * minuteMs;
        else if (!minutes.has(minute)) at += minuteMs;
        else return at;
      }
      return undefined;
    },
  };
}

const isStar = (part: string): boolean => part.startsWith('*') || part.startsWith('?');

function everyMs(text: string): number | undefined {
  const [, spans] = /^@every ((?:\d+[hms])+)$/.exec(text) ?? [];
  if (spans === undefined) return undefined;
  const total = [...spans.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0),
    0,
  );
  return Math.max(1000, total);
}

function setOf(text: string, field: Field): ReadonlySet<number> | undefined {
  const found = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const [range = '', stepText, ...more] = part.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    const [firstText = '', lastText, ...others] = range.split('-');
    const star = range === '*' || range === '?';
    const first = star ? field.min : valueOf(firstText, field);
    const last = star
      ? field.max
      : lastText === undefined
        ? stepText === undefined
          ? first
          : field.max
        : valueOf(lastText, field);
    const bad = more.length > 0 || others.length > 0 || !Number.isInteger(step) || step < 1 || stepText === '';
    if (bad || first === undefined || last === undefined || first > last) return undefined;
    for (let value = first; value <= last; value += step) found.add(value);
  }
  return found;
}

function valueOf(text: string, { min, max, names }: Field): number | undefined {
  const named = names?.indexOf(text) ?? -1;
  const value = named >= 0 ? named + min : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

/** How far local time is ahead at a moment, in milliseconds. Undefined for a zone that does not exist. */
function offsetsOf(timeZone: string): ((ms: number) => number) | undefined {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return () => 0;
  try {
    const parts = ['year', 'month', 'day', 'hour', 'minute'] as const;
    const numeric = Object.fromEntries(parts.map((part) => [part, 'numeric']));
    const format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...numeric });
    return (ms) => {
      const shown = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
      const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = parts.map((part) => shown.get(part));
      return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(ms / minuteMs) * minuteMs;
    };
  } catch {
    return undefined;
  }
}
