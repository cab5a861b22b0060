/** How Go prints values in messages (`%v`): `map[a:1 b:[x y]]`, `<nil>`. */
import { isList, isObject } from './json-value.ts';
import type { JsonValue } from './meta.ts';

/** `%v` of a JSON value. */
export function goText(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (isList(value)) return `[${value.map(goText).join(' ')}]`;
  if (!isObject(value)) return String(value);
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `map[${keys
    .toSorted()
    .map((key) => `${key}:${goText(value[key] ?? null)}`)
    .join(' ')}]`;
}
