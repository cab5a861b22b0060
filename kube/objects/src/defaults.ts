/** Fills in the defaults that a type declares (apiextensions defaulting). */
import { isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** What stands for a value: a null that its type does not allow is its default, or goes away. */
function filled(value: JsonValue | undefined, schema: Schema): JsonValue | undefined {
  const missing = value === undefined || (value === null && schema.nullable !== true);
  const start = missing ? schema.default : value;
  return start === undefined ? undefined : applyDefaults(start, schema);
}

/** Fields that an absent value gets a default of, by type: walking all fields of a pod each time would be slow. */
const defaultsOfType = new WeakMap<Schema, readonly (readonly [string, Schema])[]>();

function withDefault(schema: Schema): readonly (readonly [string, Schema])[] {
  const known = defaultsOfType.get(schema);
  if (known !== undefined) return known;
  const found = Object.entries(schema.properties ?? {}).filter(([, inner]) => inner.default !== undefined);
  defaultsOfType.set(schema, found);
  return found;
}

function defaultObject(object: JsonObject, schema: Schema): JsonObject {
  const { properties = {}, additionalProperties } = schema;
  const changes: Draft = {};
  const gone: string[] = [];
  const note = (key: string, inner: Schema): void => {
    const before = member(object, key);
    const after = filled(before, inner);
    if (after === before) return;
    if (after === undefined) gone.push(key);
    else setMember(changes, key, after);
  };
  for (const [key, inner] of withDefault(schema)) if (member(object, key) === undefined) note(key, inner);
  for (const key of Object.keys(object)) {
    const inner = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (typeof inner === 'object' && object[key] !== undefined) note(key, inner);
  }
  if (gone.length === 0 && Object.keys(changes).length === 0) return object;
  const result: Draft = { ...object, ...changes };
  for (const key of gone) delete result[key];
  return result;
}

/**
 * The value with defaults filled in; the same value when none was missing. A null that its type does not allow is
 * replaced by the default, or removed where there is none, as kube-apiserver does for custom resources.
 */
export function applyDefaults<T extends JsonValue>(value: T, schema: Schema): T {
  if (isObject(value)) return defaultObject(value, schema) as T;
  const { items } = schema;
  if (!isList(value) || items === undefined) return value;
  const next = value.map((item) => filled(item, items) ?? null);
  return (next.some((item, index) => item !== value[index]) ? next : value) as T;
}
