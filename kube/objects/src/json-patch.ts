/** JSON Patch (RFC 6902), bounded as kube-apiserver does. */
import type { JsonValue } from './meta.ts';

/** Applies operations to a document, which is not changed. `patch` is the request's body. Throws BadRequest, Invalid, RequestEntityTooLarge. */
export function applyJsonPatch(_doc: JsonValue, _patch: unknown): JsonValue {
  throw new Error('not built yet');
}
