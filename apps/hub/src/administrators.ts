/** The hub's administrators: a group bound to cluster-admin at the hub. What they may do in members is a binding like anyone's. */
import type { RoleBinding } from '@polyanthus/kube-kinds/core';
import { ownedLabel } from '@polyanthus/kube-kinds/own/ownership';

/** The group of the bootstrap administrator. */
export const administratorsGroup = 'polyanthus:administrators';

const rbac = 'rbac.authorization.k8s.io';

/** Its binding at the hub. */
export const administratorsBinding: RoleBinding = {
  apiVersion: `${rbac}/v1`,
  kind: 'ClusterRoleBinding',
  metadata: { name: administratorsGroup, labels: { [ownedLabel]: 'true' } },
  roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
  subjects: [{ kind: 'Group', apiGroup: rbac, name: administratorsGroup }],
};
