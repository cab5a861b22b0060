/** How long ago, as kubectl writes it (apimachinery util/duration HumanDuration). */

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** `whole` of a unit and the rest in the next one: `2d3h`, `2d` when nothing is left. */
function both(seconds: number, unit: number, name: string, lower: number, lowerName: string): string {
  const rest = Math.trunc((seconds % unit) / lower);
  return `${Math.trunc(seconds / unit)}${name}${rest === 0 ? '' : `${rest}${lowerName}`}`;
}

/** `45s`, `3m20s`, `5h`, `2d3h`, `400d`, `3y20d`; `<invalid>` for the future. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 2 * minute) return `${seconds}s`;
  if (seconds < 10 * minute) return both(seconds, minute, 'm', 1, 's');
  if (seconds < 3 * hour) return `${Math.trunc(seconds / minute)}m`;
  if (seconds < 8 * hour) return both(seconds, hour, 'h', minute, 'm');
  if (seconds < 2 * day) return `${Math.trunc(seconds / hour)}h`;
  if (seconds < 8 * day) return both(seconds, day, 'd', hour, 'h');
  if (seconds < 2 * year) return `${Math.trunc(seconds / day)}d`;
  if (seconds < 8 * year) return both(seconds, year, 'y', day, 'd');
  return `${Math.trunc(seconds / year)}y`;
}

/** The age of an RFC 3339 time; `<unknown>` when there is none. */
export function age(time: unknown, nowMs: number): string {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? '<unknown>' : humanDuration(nowMs - at);
}
