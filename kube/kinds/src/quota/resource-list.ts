/** Amounts by resource name, as quotas count them (apiserver pkg/quota/v1 resources.go). */
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  subtractQuantities,
  type Quantity,
} from '@polyanthus/kube-objects/quantity';

/** Exact amounts by name: `pods`, `requests.cpu`, `count/deployments.apps`. */
export type ResourceList = Readonly<Record<string, Quantity>>;

const zero: Quantity = { nano: 0n, format: 'DecimalSI' };

/** Whole units. */
export function units(count: number): Quantity {
  return { nano: BigInt(count) * 1_000_000_000n, format: 'DecimalSI' };
}

/** A map of an object as the API gives it; what is no quantity counts as nothing. */
export function readResources(map: unknown): ResourceList {
  if (typeof map !== 'object' || map === null) return {};
  return Object.fromEntries(
    Object.entries(map).flatMap(([name, text]) => {
      try {
        return [[name, parseQuantity(text as string)] as const];
      } catch {
        return [];
      }
    }),
  );
}

/** Canonical texts. */
export function writeResources(list: ResourceList): Readonly<Record<string, string>> {
  return mapValues(list, formatQuantity);
}

/** `cpu=1,pods=2`: sorted, for messages. */
export function resourcesText(list: ResourceList): string {
  return Object.entries(writeResources(list))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${name}=${text}`)
    .join(',');
}

function mapValues<T>(list: ResourceList, fn: (quantity: Quantity, name: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(list).map(([name, quantity]) => [name, fn(quantity, name)]));
}

/** The sum of each. */
export function addResources(a: ResourceList, b: ResourceList): ResourceList {
  const sum: Record<string, Quantity> = { ...a };
  for (const [name, quantity] of Object.entries(b)) {
    const known = sum[name];
    sum[name] = known === undefined ? quantity : addQuantities(known, quantity);
  }
  return sum;
}

/** a - b, never less than nothing. */
export function subtractResources(a: ResourceList, b: ResourceList): ResourceList {
  const difference: Record<string, Quantity> = mapValues(b, () => zero);
  for (const [name, quantity] of Object.entries(a)) {
    const less = subtractQuantities(quantity, b[name] ?? zero);
    difference[name] = less.nano > 0n ? less : zero;
  }
  return difference;
}

/** The greater amount of each. */
export function maxResources(a: ResourceList, b: ResourceList): ResourceList {
  const most: Record<string, Quantity> = { ...a };
  for (const [name, quantity] of Object.entries(b)) {
    const known = most[name];
    if (known === undefined || compareQuantities(quantity, known) > 0) most[name] = quantity;
  }
  return most;
}

/** Only those names. */
export function maskResources(list: ResourceList, names: readonly string[]): ResourceList {
  const wanted = new Set(names);
  return Object.fromEntries(Object.entries(list).filter(([name]) => wanted.has(name)));
}

/** Without the amounts that are nothing. */
export function withoutZeroResources(list: ResourceList): ResourceList {
  return Object.fromEntries(Object.entries(list).filter(([, { nano }]) => nano !== 0n));
}

/** The same names with the same amounts, however they are written. */
export function equalResources(a: ResourceList, b: ResourceList): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => {
      const other = b[name];
      return other !== undefined && other.nano === a[name]?.nano;
    })
  );
}

/** Names of which `a` has more than `limits` allow. */
export function exceeding(a: ResourceList, limits: ResourceList): readonly string[] {
  return Object.keys(limits).filter((name) => (a[name]?.nano ?? 0n) > (limits[name]?.nano ?? 0n) && name in a);
}
