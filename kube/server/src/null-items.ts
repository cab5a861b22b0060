/** Nulls in lists of built-in kinds: Go reads them as the zero value of the item. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Schema } from '@polyanthus/kube-objects/schema';

const zeros: Readonly<Record<string, JsonValue>> = {
  object: {},
  array: [],
  string: '',
  integer: 0,
  number: 0,
  boolean: false,
};

/** The same value when there was no null to replace. */
export function fillNullItems<T extends JsonValue>(value: T, schema: Schema): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    const list = value as readonly JsonValue[];
    const next = list.map((item) => (item === null ? (zeros[items.type ?? ''] ?? null) : fillNullItems(item, items)));
    return (next.some((item, index) => item !== list[index]) ? next : value) as T;
  }
  let copy: Record<string, JsonValue | undefined> | undefined;
  for (const [key, inner] of Object.entries(value as JsonObject)) {
    const known =
      schema.properties?.[key] ??
      (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined);
    if (known === undefined || inner === undefined) continue;
    const next = fillNullItems(inner, known);
    if (next !== inner) (copy ??= { ...(value as JsonObject) })[key] = next;
  }
  return (copy ?? value) as T;
}
