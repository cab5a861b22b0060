/** Store keys: `<cluster>/<group>/<resource>/<namespace or empty>/<name>` (store.ts). */
import type { ResourceDefinition } from './definition.ts';

type Stored = Pick<ResourceDefinition, 'storage' | 'type'>;

/** Prefix of all objects of a resource, of one namespace when given. */
export function prefixOf(cluster: string, { storage, type }: Stored, namespace = ''): string {
  const all = `${cluster}/${storage.group}/${storage.resource}/`;
  // The empty namespace of cluster-scoped objects belongs to the prefix: continue tokens begin with a name.
  if (!type.namespaced) return `${all}/`;
  return namespace === '' ? all : `${all}${namespace}/`;
}

/** Key of one object. */
export function keyOf(cluster: string, { storage, type }: Stored, namespace: string, name: string): string {
  return `${cluster}/${storage.group}/${storage.resource}/${type.namespaced ? namespace : ''}/${name}`;
}
