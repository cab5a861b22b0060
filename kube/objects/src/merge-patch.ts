/** JSON Merge Patch (RFC 7396). */
import type { JsonObject, JsonValue } from './meta.ts';

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function setOwn(target: Record<string, JsonValue | undefined>, key: string, value: JsonValue): void {
  // A plain assignment to `__proto__` would change the prototype instead of making a key.
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** `doc` with `patch` merged in: null deletes, objects merge, everything else replaces. Neither argument is changed. */
export function applyMergePatch(doc: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const result: Record<string, JsonValue | undefined> = isObject(doc) ? { ...doc } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else setOwn(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}
