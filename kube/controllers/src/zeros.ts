/** Counts as kube-apiserver stores them. */

/** Without the members that are 0: Go leaves them out (omitempty), and a status that has them would never equal the stored one. */
export function withoutZeros<T extends Readonly<Record<string, number>>>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
}
