/** The hub's own rights that come with a role binding: to the gateway of the bound memberships, and to hand runs over. */
import type { PolicyRule, Role, RoleBinding } from '@polyanthus/kube-kinds/core';
import { fleetGroup, type FleetRoleBinding } from '@polyanthus/kube-kinds/own/fleet';
import { ownedLabel } from '@polyanthus/kube-kinds/own/ownership';

const rbacGroup = 'rbac.authorization.k8s.io';

/** A Role and its RoleBinding in the fleet's namespace. */
export interface GatewayRight {
  readonly role: Role;
  readonly binding: RoleBinding;
}

/** The name of both objects for a role binding. */
export function gatewayRightName(binding: string): string {
  return `fleet:gateway:${binding}`;
}

/**
 * The rights for a role binding, or undefined when it reaches no membership. VIEW may read; the others may use every
 * verb and open streams (exec, attach, port-forward). What they may do in the member is the member's RBAC.
 */
export function gatewayRight(binding: FleetRoleBinding, memberships: readonly string[]): GatewayRight | undefined {
  if (memberships.length === 0 || binding.metadata.deletionTimestamp !== undefined) return undefined;
  const name = binding.metadata.name ?? '';
  const metadata = {
    name: gatewayRightName(name),
    ...(binding.metadata.namespace === undefined ? {} : { namespace: binding.metadata.namespace }),
    labels: { [ownedLabel]: 'true' },
    ownerReferences: [
      { apiVersion: binding.apiVersion, kind: binding.kind, name, uid: binding.metadata.uid ?? '', controller: true },
    ],
  };
  const subject =
    binding.spec.user === undefined
      ? { kind: 'Group' as const, name: binding.spec.group ?? '' }
      : { kind: 'User' as const, name: binding.spec.user };
  return {
    role: { apiVersion: `${rbacGroup}/v1`, kind: 'Role', metadata, rules: rules(binding, memberships) },
    binding: {
      apiVersion: `${rbacGroup}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbacGroup, kind: 'Role', name: gatewayRightName(name) },
      subjects: [{ ...subject, apiGroup: rbacGroup }],
    },
  };
}

function rules(binding: FleetRoleBinding, memberships: readonly string[]): readonly PolicyRule[] {
  const resourceNames = [...memberships].sort();
  const readOnly = binding.spec.role.predefinedRole === 'VIEW';
  const see: PolicyRule = { apiGroups: [fleetGroup], resources: ['memberships'], resourceNames, verbs: ['get'] };
  const use: PolicyRule = {
    apiGroups: [fleetGroup],
    resources: ['memberships/gateway'],
    resourceNames,
    verbs: readOnly ? ['get', 'list', 'watch'] : ['*'],
  };
  const stream: PolicyRule = {
    apiGroups: [fleetGroup],
    resources: ['memberships/stream'],
    resourceNames,
    verbs: ['create'],
  };
  if (readOnly) return [see, use];
  return isMaster(binding) ? [see, use, stream, handover(resourceNames)] : [see, use, stream];
}

/** May do everything in the member, so that the hub's account, which works for it, can do no more there. */
const isMaster = ({ spec }: FleetRoleBinding): boolean =>
  spec.membership !== undefined && spec.role.predefinedRole === 'ADMIN';

/** To have the hub carry out runs there (handover-guard.ts); the right to write Runs and RunHandovers is another. */
const handover = (resourceNames: readonly string[]): PolicyRule => ({
  apiGroups: [fleetGroup],
  resources: ['memberships'],
  resourceNames,
  verbs: ['handover'],
});
