/** Escalation checks on writes of roles and bindings: the bridge to kube/access. */
import { checkEscalation, type RbacWrite } from '@polyanthus/kube-access/escalation';
import type { RbacAuthorizer } from '@polyanthus/kube-access/rbac';
import type { PolicyRule, RoleBinding } from '@polyanthus/kube-kinds/core';
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';

/** Throws Forbidden when the user grants what they do not hold; NotFound when the role to bind does not exist. */
export async function requireNoEscalation(
  rbac: RbacAuthorizer,
  scope: Scope,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<void> {
  const { resource } = scope.definition.type;
  const { rules, roleRef } = object as unknown as {
    rules?: readonly PolicyRule[] | null;
    roleRef?: RoleBinding['roleRef'];
  };
  const write: RbacWrite = {
    user: scope.user,
    resource,
    namespace: scope.namespace,
    name: object.metadata.name ?? '',
    ...(resource.endsWith('bindings')
      ? { roleRef: roleRef ?? { apiGroup: '', kind: 'ClusterRole', name: '' } }
      : { rules: rules ?? [], aggregates: hasSelectors(object) || hasSelectors(before) }),
  };
  const refused = await checkEscalation(write, rbac, (attributes) => scope.cluster.authorize(attributes));
  if (refused !== undefined) throw refused;
}

/** Whether a role gathers the rules of others. */
function hasSelectors(role: ApiObject | undefined): boolean {
  const rule = role?.['aggregationRule'] as { readonly clusterRoleSelectors?: readonly unknown[] } | null | undefined;
  return (rule?.clusterRoleSelectors?.length ?? 0) > 0;
}
