/** JSON Merge Patch (RFC 7396). */
import { isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonValue } from './meta.ts';

/** `doc` with `patch` merged in: null deletes, objects merge, everything else replaces. Neither argument is changed. */
export function applyMergePatch(doc: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const result: Draft = isObject(doc) ? { ...doc } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else setMember(result, key, applyMergePatch(member(result, key), value));
  }
  return result;
}
