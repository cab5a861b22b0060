/** Names of objects as queue keys: `namespace/name`, or `name` for cluster-scoped kinds. */
import type { ObjectKey } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

/** The key of an object. */
export function keyOf(object: KubeObject): string {
  return joinKey(object.metadata.namespace, object.metadata.name ?? '');
}

/** `namespace/name`, or `name` without a namespace. */
export function joinKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** The parts of a key. */
export function splitKey(key: string): ObjectKey {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
