/** Lists that are sets or maps (x-kubernetes-list-type): identity of items, uniqueness (apiextensions schema/listtype). */
import { duplicateValue, invalidValue } from './field-errors.ts';
import { canonicalText, isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';
import type { StatusCause } from './status.ts';

/** The key fields of an item of a list map, with the schema's defaults for missing ones. */
export function itemKey(item: JsonObject, schema: Schema): JsonObject {
  const key: Draft = {};
  for (const field of schema.listMapKeys ?? []) {
    const type = schema.items?.properties?.[field];
    const value = member(item, field) ?? type?.default ?? type?.zero;
    if (value !== undefined) setMember(key, field, value);
  }
  return key;
}

/** For each item the one of `previous` that it corresponds to: by key in list maps, by place otherwise not at all. */
export function pairs(
  list: readonly JsonValue[],
  schema: Schema,
  previous: JsonValue | undefined,
): (JsonValue | undefined)[] {
  if (!isList(previous) || schema.listType !== 'map') return list.map(() => undefined);
  const identity = (item: JsonValue): string => canonicalText(isObject(item) ? itemKey(item, schema) : item);
  const known = new Map(previous.map((item) => [identity(item), item]));
  return list.map((item) => known.get(identity(item)));
}

/** Indices of second appearances. */
function repeated(texts: readonly string[]): number[] {
  const seen = new Map<string, number>();
  const found: number[] = [];
  texts.forEach((text, index) => {
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    if (times === 2) found.push(index);
  });
  return found;
}

function mapFaults(list: readonly JsonValue[], schema: Schema, path: string): StatusCause[] {
  const stranger = list.findIndex((item) => item !== null && !isObject(item));
  if (stranger >= 0) {
    return [invalidValue(`${path}[${stranger}]`, list[stranger], 'must be an object for an array of list-type map')];
  }
  const keys = list.map((item) => (isObject(item) ? itemKey(item, schema) : {}));
  return repeated(keys.map(canonicalText)).map((index) => duplicateValue(`${path}[${index}]`, keys[index] ?? {}));
}

function ownFaults(list: readonly JsonValue[], schema: Schema, path: string): StatusCause[] {
  if (schema.native === true) return [];
  if (schema.listType === 'map') return mapFaults(list, schema, path);
  if (schema.listType !== 'set') return [];
  return repeated(list.map(canonicalText)).map((index) => duplicateValue(`${path}[${index}]`, list[index] ?? null));
}

/** Duplicates in sets and maps anywhere in a value. Lists that had them before are forgiven. */
export function listFaults(value: JsonValue, schema: Schema, path: string, previous?: JsonValue): StatusCause[] {
  if (schema.native === true) return [];
  if (isList(value)) {
    const { items } = schema;
    const before = isList(previous) ? ownFaults(previous, schema, path) : [];
    const own = before.length > 0 ? [] : ownFaults(value, schema, path);
    const old = pairs(value, schema, previous);
    const inner =
      items === undefined
        ? []
        : value.flatMap((item, index) => listFaults(item, items, `${path}[${index}]`, old[index]));
    return [...own, ...inner];
  }
  if (!isObject(value)) return [];
  const { properties = {}, additionalProperties } = schema;
  return Object.entries(value).flatMap(([key, item]) => {
    const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
    const inner = own ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
    if (inner === undefined || item === undefined) return [];
    const at = own === undefined ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return listFaults(item, inner, at, isObject(previous) ? member(previous, key) : undefined);
  });
}
