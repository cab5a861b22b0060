/** How the fleet's objects are shown. */
import { humanDuration } from '@polyanthus/ground-cli-kit/duration';
import type { Column, Listing } from '@polyanthus/ground-cli-kit/printer';
import type { FleetNamespace, FleetRoleBinding, Membership, Scope } from '@polyanthus/kube-kinds/own/fleet';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

function age<T extends KubeObject>(nowMs: number): Column<T> {
  return {
    heading: 'AGE',
    cell: (one) =>
      typeof one.metadata.creationTimestamp === 'string'
        ? humanDuration(nowMs - Date.parse(one.metadata.creationTimestamp))
        : '<unknown>',
  };
}

function column<T>(heading: string, cell: (one: T) => string | undefined, wide = false): Column<T> {
  return { heading, cell: (one) => cell(one) ?? '', ...(wide ? { wide } : {}) };
}

const name = <T extends KubeObject>(): Column<T> => column('NAME', (one) => one.metadata.name);
const connected = (one: Membership): string =>
  one.status?.conditions?.find((condition) => condition.type === 'Connected')?.status ?? 'Unknown';

/** NAME and EXTERNAL_ID first, as the field's `memberships list` has them. */
export function membershipListing(nowMs: number): Listing<Membership> {
  return {
    name: (one) => `membership.fleet.polyanthus.dev/${one.metadata.name ?? ''}`,
    columns: [
      name(),
      column('EXTERNAL_ID', (one) => one.spec?.externalId),
      column('STATE', (one) => one.status?.state ?? 'CREATING'),
      column('CONNECTED', connected),
      column('VERSION', (one) => one.status?.kubernetes?.version),
      column('NODES', (one) => one.status?.kubernetes?.nodeCount?.toString(), true),
      column('AGENT', (one) => one.status?.agentVersion, true),
      column('LAST_CONNECTION', (one) => one.status?.lastConnectionTime, true),
      age(nowMs),
    ],
  };
}

/** Scopes. */
export function scopeListing(nowMs: number): Listing<Scope> {
  return {
    name: (one) => `scope.fleet.polyanthus.dev/${one.metadata.name ?? ''}`,
    columns: [name(), column('DISPLAY', (one) => one.spec?.displayName), age(nowMs)],
  };
}

/** Fleet namespaces. */
export function namespaceListing(nowMs: number): Listing<FleetNamespace> {
  return {
    name: (one) => `namespace.fleet.polyanthus.dev/${one.metadata.name ?? ''}`,
    columns: [
      name(),
      column('SCOPE', (one) => one.spec.scope),
      column('NAMESPACE', (one) => one.spec.namespace),
      age(nowMs),
    ],
  };
}

/** Role bindings. */
export function bindingListing(nowMs: number): Listing<FleetRoleBinding> {
  return {
    name: (one) => `rbacrolebinding.fleet.polyanthus.dev/${one.metadata.name ?? ''}`,
    columns: [
      name(),
      column('SCOPE', (one) => one.spec.scope),
      column('MEMBERSHIP', (one) => one.spec.membership),
      column('USER', (one) => one.spec.user),
      column('GROUP', (one) => one.spec.group),
      column('ROLE', (one) => one.spec.role.predefinedRole ?? one.spec.role.customRole),
      age(nowMs),
    ],
  };
}
