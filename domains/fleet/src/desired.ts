/** What one member shall have of its fleet, from the objects of the hub: pure, so that a table of cases proves it. */
import { memberName } from '@polyanthus/engine-gateway/member-name';
import { scopeLabel } from '@polyanthus/kube-kinds/own/ownership';
import type {
  FleetNamespace,
  FleetRoleBinding,
  ManifestBinding,
  ManifestNamespace,
  MembershipBinding,
  MembershipManifest,
  Scope,
} from '@polyanthus/kube-kinds/own/fleet';

/** The objects of one fleet. Those that are being deleted count as gone. */
export interface FleetWorld {
  readonly scopes: readonly Scope[];
  readonly namespaces: readonly FleetNamespace[];
  readonly roleBindings: readonly FleetRoleBinding[];
  readonly membershipBindings: readonly MembershipBinding[];
}

const alive = (object: { readonly metadata: { readonly deletionTimestamp?: string } }): boolean =>
  object.metadata.deletionTimestamp === undefined;

/** The scopes that a membership is bound to, in order of name. */
export function scopesOf(membership: string, world: FleetWorld): readonly Scope[] {
  const bound = new Set(
    world.membershipBindings
      .filter((binding) => alive(binding) && binding.spec.membership === membership)
      .map((binding) => binding.spec.scope),
  );
  return world.scopes.filter((scope) => alive(scope) && bound.has(scope.metadata.name ?? '')).sort(byName);
}

/** The memberships that a role binding reaches: its own, or those bound to its scope. */
export function membershipsOf(binding: FleetRoleBinding, world: FleetWorld): readonly string[] {
  if (binding.spec.membership !== undefined) return [binding.spec.membership];
  const scope = world.scopes.find((one) => alive(one) && one.metadata.name === binding.spec.scope);
  if (scope === undefined) return [];
  return [
    ...new Set(
      world.membershipBindings
        .filter((one) => alive(one) && one.spec.scope === binding.spec.scope)
        .map((one) => one.spec.membership),
    ),
  ].sort();
}

/**
 * The manifest of a membership. On a clash of labels the scope's wins over the namespace's (facts/fleet.md 1.1). A
 * predefined role is the member's ClusterRole admin, edit or view; ADMIN on a whole membership is cluster-admin.
 */
export function desiredManifest(membership: string, world: FleetWorld): MembershipManifest['spec'] {
  const namespaces: ManifestNamespace[] = [];
  const bindings: ManifestBinding[] = [];
  for (const scope of scopesOf(membership, world)) {
    const name = scope.metadata.name ?? '';
    const inScope = world.namespaces.filter((one) => alive(one) && one.spec.scope === name).sort(byName);
    for (const namespace of inScope) {
      namespaces.push({
        name: namespace.spec.namespace,
        labels: { ...namespace.spec.namespaceLabels, ...scope.spec?.namespaceLabels, [scopeLabel]: name },
      });
      for (const binding of rolesOf(world, (one) => one.spec.scope === name))
        bindings.push({ ...manifestBinding(binding, false), namespace: namespace.spec.namespace });
    }
  }
  for (const binding of rolesOf(world, (one) => one.spec.membership === membership))
    bindings.push(manifestBinding(binding, true));
  return { namespaces, bindings };
}

function rolesOf(world: FleetWorld, wanted: (binding: FleetRoleBinding) => boolean): readonly FleetRoleBinding[] {
  return world.roleBindings.filter((one) => alive(one) && wanted(one)).sort(byName);
}

function manifestBinding(binding: FleetRoleBinding, wholeCluster: boolean): ManifestBinding {
  return {
    name: `fleet:${binding.metadata.name ?? ''}`,
    clusterRole: binding.spec.role.customRole ?? predefined[binding.spec.role.predefinedRole ?? 'VIEW'](wholeCluster),
    ...(binding.spec.user === undefined ? {} : { user: memberName(binding.spec.user) }),
    ...(binding.spec.group === undefined ? {} : { group: memberName(binding.spec.group) }),
  };
}

const predefined: Readonly<Record<'ADMIN' | 'EDIT' | 'VIEW', (wholeCluster: boolean) => string>> = {
  ADMIN: (wholeCluster) => (wholeCluster ? 'cluster-admin' : 'admin'),
  EDIT: () => 'edit',
  VIEW: () => 'view',
};

function byName(
  one: { readonly metadata: { readonly name?: string } },
  other: { readonly metadata: { readonly name?: string } },
): number {
  return (one.metadata.name ?? '') < (other.metadata.name ?? '') ? -1 : 1;
}
