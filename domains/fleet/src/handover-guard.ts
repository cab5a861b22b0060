/**
 * On which members a user may have the hub work, and with which keys: the right to write handovers alone gives away nothing.
 * Who writes one needs the verb `handover` on the membership that it names, which a role binding of ADMIN in that member
 * brings along (gateway-rights.ts), and must be allowed to read the Secret that it names: the hub, which may read them all,
 * uses none for somebody who may not.
 */
import type { ReferenceGuard } from '@polyanthus/kube-access/reference-guard';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';
import { runbookGroup } from '@polyanthus/kube-kinds/own/runbook';

/** The rule, for `ClusterOptions.referenceGuards` and `guardPolicy`. */
export const handoverGuard: ReferenceGuard = {
  group: runbookGroup,
  resources: ['runhandovers'],
  references: {
    membership: { group: fleetGroup, resource: 'memberships', verb: 'handover' },
    sshSecret: { group: '', resource: 'secrets', verb: 'get' },
  },
};
