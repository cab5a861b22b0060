/** Fills in the defaults that a type declares (apiextensions defaulting). */
import type { JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** The value with defaults filled in; the same value when none was missing. Null of a field that is not nullable but has a default is replaced. */
export function applyDefaults<T extends JsonValue>(_value: T, _schema: Schema): T {
  throw new Error('not built yet');
}
