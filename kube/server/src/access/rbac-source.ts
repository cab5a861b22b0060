/** The RBAC objects of a cluster for the authorizer: read from the store, parsed once each. */
import type { RbacSource } from '@polyanthus/kube-access/rbac';
import type { ClusterRole, Role, RoleBinding } from '@polyanthus/kube-kinds/core';
import { parseKept } from '../encode.ts';
import type { ObjectReader } from '../object-reader.ts';
import { prefixOf } from '../registry/keys.ts';

const group = 'rbac.authorization.k8s.io';
const resources = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'];

/** Follows the four resources from now on, only to tell that something changed. */
export function rbacSource(cluster: ObjectReader): RbacSource {
  let version = 0;
  for (const resource of resources) {
    const definition = cluster.registry.findAny(group, resource);
    if (definition === undefined) throw new Error(`${resource} is not among the built-in kinds`);
    const prefix = prefixOf(cluster.name, definition);
    const watch = cluster.store.watch(prefix, cluster.store.revision, () => void (version += 1));
    cluster.onClose(() => watch.close());
  }
  const one = (resource: string, namespace: string, name: string): unknown => {
    const stored = cluster.find(group, resource, namespace, name);
    return stored === undefined ? undefined : parseKept(stored);
  };
  const all = (resource: string): unknown => cluster.listAll(group, resource).map(parseKept);
  return {
    version: () => version,
    clusterRole: (name) => one('clusterroles', '', name) as ClusterRole | undefined,
    role: (namespace, name) => one('roles', namespace, name) as Role | undefined,
    clusterRoleBindings: () => all('clusterrolebindings') as readonly RoleBinding[],
    roleBindings: () => all('rolebindings') as readonly RoleBinding[],
  };
}
