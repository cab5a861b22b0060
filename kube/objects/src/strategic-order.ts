/** The order of a merged list: that of the patch among its items, that of the server among all that it knows. */
import { canonicalText } from './json-value.ts';
import type { JsonValue } from './meta.ts';

/** What makes two items the same one: the merge key's value, or the item itself. */
export type Identity = (item: JsonValue) => JsonValue | undefined;

function places(list: readonly JsonValue[], identity: Identity): Map<string, number> {
  const found = new Map<string, number>();
  list.forEach((item, index) => {
    const key = canonicalText(identity(item) ?? null);
    if (!found.has(key)) found.set(key, index);
  });
  return found;
}

/**
 * `merged` with the items of `order` in its order, the others in the server's, and both woven together so that two items
 * that the server knew keep their order where the patch says nothing else.
 */
export function orderLike(
  merged: readonly JsonValue[],
  order: readonly JsonValue[],
  server: readonly JsonValue[],
  identity: Identity,
): JsonValue[] {
  const [wanted, known] = [places(order, identity), places(server, identity)];
  const place = (map: Map<string, number>, item: JsonValue): number =>
    map.get(canonicalText(identity(item) ?? null)) ?? -1;
  const mine = merged
    .filter((item) => place(wanted, item) >= 0)
    .toSorted((a, b) => place(wanted, a) - place(wanted, b));
  const others = merged.filter((item) => place(wanted, item) < 0).toSorted((a, b) => place(known, a) - place(known, b));
  const result: JsonValue[] = [];
  let next = 0;
  for (const item of others) {
    // Items of the patch go first unless the server knew both, and this one before.
    for (; next < mine.length; next += 1) {
      const other = mine[next] as JsonValue;
      const [left, right] = [place(known, item), place(known, other)];
      if (left >= 0 && right >= 0 && left < right) break;
      result.push(other);
    }
    result.push(item);
  }
  return [...result, ...mine.slice(next)];
}
