/** Defaults that kube-apiserver sets in Go code and OpenAPI does not tell, as data with one applier. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';

/** The object with the defaults of its kind filled in; the same object when nothing was missing. */
export function applyBuiltinDefaults(_type: Pick<ResourceType, 'group' | 'kind'>, _object: JsonObject): JsonObject {
  throw new Error('not built yet');
}
