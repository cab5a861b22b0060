/** The fleet's objects from informers, as the pure functions want them. */
import {
  fleetNamespaces,
  fleetRoleBindings,
  membershipBindings,
  memberships,
  scopes,
} from '@polyanthus/kube-kinds/own/fleet';
import type { Informers } from '@polyanthus/kube-runtime/informers';
import type { FleetWorld } from './desired.ts';

/** The caches that both hub controllers read. */
export type FleetCaches = ReturnType<typeof fleetCaches>;

/** Asks the factory for them. */
export function fleetCaches(informers: Informers) {
  return {
    memberships: informers.of(memberships),
    scopes: informers.of(scopes),
    namespaces: informers.of(fleetNamespaces),
    roleBindings: informers.of(fleetRoleBindings),
    membershipBindings: informers.of(membershipBindings),
  };
}

/** What one fleet (a namespace of the hub) holds at this moment. */
export function worldOf(caches: FleetCaches, fleet: string): FleetWorld {
  return {
    scopes: caches.scopes.byIndex('byNamespace', fleet),
    namespaces: caches.namespaces.byIndex('byNamespace', fleet),
    roleBindings: caches.roleBindings.byIndex('byNamespace', fleet),
    membershipBindings: caches.membershipBindings.byIndex('byNamespace', fleet),
  };
}
