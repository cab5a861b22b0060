/** The way of a built-in object from a request to what is stored, as far as its type alone decides it. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { normalizeNative } from '@polyanthus/kube-objects/native';
import { prune } from '@polyanthus/kube-objects/prune';
import { applyBuiltinDefaults } from './builtin-defaults.ts';
import type { BuiltinKind } from './builtin.ts';

/**
 * Drops unknown fields (and names them, for `fieldValidation`), reads nulls as Go does, fills in what Go always writes
 * and the kind's defaults.
 */
export function completeBuiltin(
  kind: Pick<BuiltinKind, 'type' | 'schema'>,
  object: JsonObject,
): { readonly object: JsonObject; readonly unknown: readonly string[] } {
  const { value, unknown } = prune(object, kind.schema);
  return { object: applyBuiltinDefaults(kind.type, normalizeNative(value, kind.schema)), unknown };
}
