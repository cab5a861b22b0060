/** Durations for people. */

/** `0 s`, `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function seconds(ms: number): string {
  const total = Math.round(ms / 1000);
  if (total < 120) return `${total} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 120) return total % 60 === 0 ? `${minutes} min` : `${minutes} min ${total % 60} s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}
