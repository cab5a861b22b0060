/** How a value merges by its type (structured-merge-diff `schema.Atom`): as a scalar, a list or a map, whole or by parts. */
import { keyElement, valueElement, type PathElement } from './field-set.ts';
import { itemKey } from './list-types.ts';
import { isList, isObject } from './json-value.ts';
import type { JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

export interface Atom {
  readonly kind: 'scalar' | 'list' | 'map';
  /** Taken as a whole: never merged with another. */
  readonly atomic: boolean;
}

/** A value that nothing is known of: its maps merge by member, its lists are whole. */
export const deduced: Schema = {};

const isDeduced = (schema: Schema): boolean =>
  schema.type === undefined &&
  schema.properties === undefined &&
  schema.items === undefined &&
  schema.additionalProperties === undefined;

const scalar: Atom = { kind: 'scalar', atomic: true };
const wholeList: Atom = { kind: 'list', atomic: true };
const partList: Atom = { kind: 'list', atomic: false };
const wholeMap: Atom = { kind: 'map', atomic: true };
const partMap: Atom = { kind: 'map', atomic: false };

function deducedAtom(value: JsonValue): Atom {
  if (isList(value)) return wholeList;
  // Null is a map of nothing, as in Go, where maps come first.
  return isObject(value) || value === null ? partMap : scalar;
}

export function atomOf(schema: Schema, value: JsonValue): Atom {
  if (isDeduced(schema)) return deducedAtom(value);
  const type = schema.type ?? (schema.items === undefined ? 'object' : 'array');
  if (type === 'array') return schema.listType === 'set' || schema.listType === 'map' ? partList : wholeList;
  if (type === 'object') return schema.mapType === 'atomic' ? wholeMap : partMap;
  return scalar;
}

/** The type of a member. `declared`: it is a named field of the type, not an entry of a map. */
export function memberType(
  schema: Schema,
  name: string,
): { readonly schema: Schema; readonly declared: boolean } | undefined {
  const { properties, additionalProperties } = schema;
  const own = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (own !== undefined) return { schema: own, declared: true };
  if (typeof additionalProperties === 'object') return { schema: additionalProperties, declared: false };
  const open = additionalProperties === true || schema.preserveUnknownFields === true || isDeduced(schema);
  return open ? { schema: deduced, declared: false } : undefined;
}

/** The type of a list's items. */
export const itemType = (schema: Schema): Schema => schema.items ?? deduced;

/** What identifies an item of a set or map, or why nothing does. */
export function itemElement(
  schema: Schema,
  item: JsonValue,
): { readonly element: PathElement } | { readonly fault: string } {
  if (schema.listType === 'map') {
    if (item === null) return { fault: 'associative list with keys may not have a null element' };
    if (!isObject(item)) return { fault: 'associative list with keys may not have non-map elements' };
    const key = itemKey(item, schema);
    if (Object.keys(key).length > 0) return { element: keyElement(key) };
    const names = (schema.listMapKeys ?? []).map((name) => JSON.stringify(name)).join(' ');
    return {
      fault: `associative list with keys has an element that omits all key fields [${names}] (and doesn't have default values for any key fields)`,
    };
  }
  if (isObject(item)) return { fault: "associative list without keys has an element that's a map type" };
  if (isList(item)) return { fault: 'not supported: associative list with lists as elements' };
  if (item === null) return { fault: "associative list without keys has an element that's an explicit null" };
  return { element: valueElement(item) };
}

/** Items of a list by element, in order; those without identity are left out. */
export function indexItems(schema: Schema, list: readonly JsonValue[]): [PathElement, JsonValue][] {
  return list.flatMap((item) => {
    const found = itemElement(schema, item);
    return 'element' in found ? [[found.element, item] as [PathElement, JsonValue]] : [];
  });
}
