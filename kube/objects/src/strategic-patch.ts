/** Strategic merge patch of built-in kinds (apimachinery util/strategicpatch). */
import type { JsonObject } from './meta.ts';
import type { Schema } from './schema.ts';

/** `doc` with `patch` merged in by the merge keys and strategies of `schema`. Neither is changed. Throws BadRequest, Invalid. */
export function applyStrategicPatch(_doc: JsonObject, _patch: JsonObject, _schema: Schema): JsonObject {
  throw new Error('not built yet');
}
