/** The account by which the hub carries runs out, and what the hub needs for that on a cluster that is its API. */
import type { PolicyRule } from '@polyanthus/kube-kinds/core';

/** The account of every fleet whose rights the hub's executor has. */
export const executorAccount = 'runbook-executor';

const group = 'runbook.polyanthus.dev';

/** What the executor needs in the namespace of each fleet. */
export const executorFleetRules: readonly PolicyRule[] = [
  { apiGroups: [group], resources: ['runs'], verbs: ['get'] },
  { apiGroups: [group], resources: ['runsteps'], verbs: ['get', 'list', 'create'] },
  { apiGroups: [group], resources: ['runs/status', 'runsteps/status', 'runhandovers/status'], verbs: ['update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update', 'delete'] },
  // Keys for hosts, of handovers whose writers may read them (domains/fleet handover-guard).
  { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
  // Tokens of the one account, and of no other.
  { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [executorAccount], verbs: ['create'] },
];

/** In every namespace: which runs were handed over. */
export const executorClusterRule: PolicyRule = { apiGroups: [group], resources: ['runhandovers'], verbs: ['list'] };
