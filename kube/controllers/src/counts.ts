/** Counts that users give as numbers or as shares (apimachinery's IntOrString). */

/** The number itself, or the share of `total` that a text like `25%` names; what is neither counts as 0. */
export function scaledCount(value: number | string, total: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
}
