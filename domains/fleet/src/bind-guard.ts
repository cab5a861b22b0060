/**
 * Who may hand out rights in members. A role binding makes its user cluster-admin there, since the agent binds any role;
 * so whoever writes one, puts a membership into a scope, or takes a namespace into one needs the verb `bind` on every
 * membership and scope that it names. The right to write the kinds alone gives away nothing.
 */
import type { ReferenceGuard } from '@polyanthus/kube-access/reference-guard';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';

/** The rule, for `ClusterOptions.referenceGuards` and `guardPolicy`. */
export const bindGuard: ReferenceGuard = {
  group: fleetGroup,
  resources: ['rbacrolebindings', 'membershipbindings', 'namespaces'],
  references: {
    membership: { group: fleetGroup, resource: 'memberships', verb: 'bind' },
    scope: { group: fleetGroup, resource: 'scopes', verb: 'bind' },
  },
};
