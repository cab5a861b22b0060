/** Small tools on JSON values that every patch and schema walk needs. Values are never changed in place. */
import type { JsonObject, JsonValue } from './meta.ts';

/** An object under construction. */
export type Draft = Record<string, JsonValue | undefined>;

/** Whether the value is a JSON object: neither null nor a list. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the value is a JSON list. */
export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** An own member; never something inherited such as `constructor`. */
export function member(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Sets a member, also for `__proto__`, where plain assignment would change the prototype. */
export function setMember(draft: Draft, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(draft, key, { value, enumerable: true, configurable: true, writable: true });
  else draft[key] = value;
}

/** A copy of which every part may be changed. */
export function cloneJson<T extends JsonValue>(value: T): T {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => cloneJson(item)) as unknown as T;
  if (!isObject(value)) return value;
  const copy: Draft = {};
  for (const [key, item] of Object.entries(value)) if (item !== undefined) setMember(copy, key, cloneJson(item));
  return copy as unknown as T;
}

function equalLists(a: readonly JsonValue[], b: readonly JsonValue[]): boolean {
  return a.length === b.length && a.every((item, index) => equalJson(item, b[index]));
}

function equalObjects(a: JsonObject, b: JsonObject): boolean {
  const keys = Object.keys(a).filter((key) => a[key] !== undefined);
  if (keys.length !== Object.keys(b).filter((key) => b[key] !== undefined).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key], b[key]));
}

/** Deep equality; the order of keys does not matter. */
export function equalJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (isList(a)) return isList(b) && equalLists(a, b);
  if (isObject(a)) return isObject(b) && equalObjects(a, b);
  return false;
}

/** Text that is equal for equal values: keys sorted. */
export function canonicalText(value: JsonValue): string {
  if (isList(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (isObject(value)) {
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    keys.sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalText(value[key] ?? null)}`).join(',')}}`;
  }
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}
