/** Removes the fields that a type does not have (apiextensions pruning; the decoder of built-in kinds). */
import type { JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** The value without unknown fields, and their paths (`spec.foo[0].bar`). The same value when nothing was unknown. */
export function prune<T extends JsonValue>(
  _value: T,
  _schema: Schema,
): { readonly value: T; readonly unknown: readonly string[] } {
  throw new Error('not built yet');
}
