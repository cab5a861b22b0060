/**
 * Values of built-in kinds as Go's decoder reads and its encoder writes them: null is absent, structs are always there,
 * quantities are canonical.
 */
import { isList, isObject, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { isOpen, memberSchema } from './prune.ts';
import { formatQuantity, parseQuantity } from './quantity.ts';
import type { Schema } from './schema.ts';

function childSchema(schema: Schema, key: string): Schema | undefined {
  const inner = memberSchema(schema, key);
  return inner === 'any' ? undefined : inner;
}

/**
 * Go does not write empty lists and maps, but for those that are required. An empty managedFields stays: it is how a
 * client asks to forget all managers.
 */
function isUnwritten(key: string, value: JsonValue, schema: Schema): boolean {
  if (schema.zero !== undefined || key === 'managedFields') return false;
  if (isList(value)) return value.length === 0;
  const isMap = schema.additionalProperties !== undefined && schema.properties === undefined;
  return isMap && isObject(value) && Object.keys(value).length === 0;
}

function withoutNulls(object: JsonObject, schema: Schema): JsonObject {
  let kept: Draft | undefined;
  for (const key of Object.keys(object)) {
    const item = object[key];
    const inner = childSchema(schema, key);
    if (item === undefined || (inner !== undefined && (item === null || isUnwritten(key, item, inner)))) {
      delete (kept ??= { ...object })[key];
      continue;
    }
    const next = inner === undefined ? item : dropNulls(item, inner);
    if (next !== item) setMember((kept ??= { ...object }), key, next);
  }
  return kept ?? object;
}

/** Null is the same as absent in Go's decoder of built-in types. Free-form parts keep theirs. */
function dropNulls<T extends JsonValue>(value: T, schema: Schema): T {
  if (isOpen(schema) || schema.preserveUnknownFields === true) return value;
  if (isObject(value)) return withoutNulls(value, schema) as T;
  const { items } = schema;
  if (!isList(value) || items === undefined) return value;
  const next = value.map((item) => dropNulls(item, items));
  return (next.some((item, index) => item !== value[index]) ? next : value) as T;
}

/** Fields that Go writes though nobody set them, by type: walking all fields of a pod each time would be slow. */
const zerosOfType = new WeakMap<Schema, readonly (readonly [string, JsonValue])[]>();

function zeros(schema: Schema): readonly (readonly [string, JsonValue])[] {
  const known = zerosOfType.get(schema);
  if (known !== undefined) return known;
  const found = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const { zero } = property;
    if (zero === undefined) return [];
    return [[name, isObject(zero) ? withZeros(zero, property) : zero] as const];
  });
  zerosOfType.set(schema, found);
  return found;
}

function withZeros(object: JsonObject, schema: Schema): JsonObject {
  let result: Draft | undefined;
  for (const [name, zero] of zeros(schema)) {
    if (object[name] === undefined) setMember((result ??= { ...object }), name, zero);
  }
  for (const [name, value] of Object.entries(object)) {
    const inner = childSchema(schema, name);
    if (inner === undefined || value === undefined) continue;
    const next = fillZeros(value, inner);
    if (next !== value) setMember((result ??= { ...object }), name, next);
  }
  return result ?? object;
}

/** A quantity as Go writes it; what is none is left to validation. */
function canonicalQuantity(value: JsonValue): JsonValue {
  if (typeof value !== 'string' && typeof value !== 'number') return value;
  try {
    return formatQuantity(parseQuantity(value));
  } catch {
    return value;
  }
}

function fillZeros(value: JsonValue, schema: Schema): JsonValue {
  if (schema.format === 'quantity') return canonicalQuantity(value);
  if (isOpen(schema) || schema.preserveUnknownFields === true) return value;
  if (isObject(value)) return withZeros(value, schema);
  const { items } = schema;
  if (!isList(value) || items === undefined) return value;
  const next = value.map((item) => fillZeros(item, items));
  return next.some((item, index) => item !== value[index]) ? next : value;
}

/** What Go writes of a built-in kind when nothing is set. */
export function zeroObject(schema: Schema): JsonObject {
  return schema.native === true ? withZeros({}, schema) : {};
}

/** The object as Go would read and write it. The same object when nothing changes. */
export function normalizeNative(object: JsonObject, schema: Schema): JsonObject {
  return withZeros(dropNulls(object, schema), schema);
}
