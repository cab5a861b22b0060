/** Removes the fields that a type does not have (apiextensions pruning; the decoder of built-in kinds). */
import { isList, isObject, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** Builds the path of a member. */
const inside = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** The type of a member; `any` where everything goes, undefined for a member that the type does not have. */
export function memberSchema(schema: Schema, key: string): Schema | 'any' | undefined {
  const property =
    schema.properties !== undefined && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
  if (property !== undefined) return property;
  const additional = schema.additionalProperties;
  if (typeof additional === 'object') return additional;
  return additional === true || schema.preserveUnknownFields === true ? 'any' : undefined;
}

/** A value of unknown members only: Go's map[string]any. */
export const isOpen = (schema: Schema): boolean =>
  schema.type === undefined &&
  schema.properties === undefined &&
  schema.additionalProperties === undefined &&
  schema.items === undefined;

class Pruning {
  readonly unknown: string[] = [];

  value(value: JsonValue, schema: Schema, path: string): JsonValue {
    if (isOpen(schema)) return value;
    if (isList(value)) return this.#list(value, schema, path);
    return isObject(value) ? this.#object(value, schema, path) : value;
  }

  #list(list: readonly JsonValue[], schema: Schema, path: string): JsonValue {
    const { items } = schema;
    if (items === undefined) return list;
    let changed = false;
    const pruned = list.map((item, index) => {
      const next = this.value(item, items, `${path}[${index}]`);
      changed ||= next !== item;
      return next;
    });
    return changed ? pruned : list;
  }

  #object(object: JsonObject, schema: Schema, path: string): JsonValue {
    // A list where an object should be, or the other way round, is the validator's matter.
    if (schema.type !== undefined && schema.type !== 'object') return object;
    let pruned: Draft | undefined;
    for (const key of Object.keys(object)) {
      const item = object[key];
      if (item === undefined) continue;
      const inner = memberSchema(schema, key);
      if (inner === undefined) {
        this.unknown.push(inside(path, key));
        delete (pruned ??= { ...object })[key];
        continue;
      }
      const next = inner === 'any' ? item : this.value(item, inner, inside(path, key));
      if (next !== item) setMember((pruned ??= { ...object }), key, next);
    }
    return pruned ?? object;
  }
}

/** The value without unknown fields, and their paths (`spec.foo[0].bar`). The same value when nothing was unknown. */
export function prune<T extends JsonValue>(
  value: T,
  schema: Schema,
): { readonly value: T; readonly unknown: readonly string[] } {
  const pruning = new Pruning();
  const pruned = pruning.value(value, schema, '') as T;
  return { value: pruned, unknown: pruning.unknown };
}
