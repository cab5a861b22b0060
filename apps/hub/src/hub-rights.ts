/** What a hub's account may do on a cluster that is its API, from what its parts say they need: rights as data. */
import { agentOrganization } from '@polyanthus/engine-tunnel/agent-key';
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';
import { executorClusterRule, executorFleetRules } from './executor-rights.ts';
import { fleetControllerSpecs } from './fleet-controllers.ts';

/** The front's own: members, enrolment, who asks and what they may, and acting for agents. */
const frontRules: readonly PolicyRule[] = [
  { apiGroups: [fleetGroup], resources: ['memberships'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: [fleetGroup], resources: ['memberships/status'], verbs: ['patch'] },
];

const reviews: readonly PolicyRule[] = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];

/** Users cannot be limited by a prefix; groups can by name, so that no reserved group is ever reached. */
const impersonation: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['users'], verbs: ['impersonate'] },
  { apiGroups: [''], resources: ['groups'], resourceNames: [agentOrganization], verbs: ['impersonate'] },
];

/** Enrolment tokens are Secrets of a fleet; no list, so that only who knows a token's hash finds one. */
const enrolment: readonly PolicyRule[] = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'update'] }];

const reading: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

/** In every namespace: reading what the informers hold, and the reviews. */
export function clusterRules(): readonly PolicyRule[] {
  return [...merged(partRules(), (verb) => reading.has(verb)), executorClusterRule, ...reviews, ...impersonation];
}

/** In the namespace of each fleet: all that is written. */
export function fleetRules(): readonly PolicyRule[] {
  return [...merged(partRules(), (verb) => !reading.has(verb)), ...enrolment, ...executorFleetRules];
}

/** In the hub's own namespace: identity and Leases. */
export function ownRules(identitySecret: string): readonly PolicyRule[] {
  return [
    { apiGroups: [''], resources: ['secrets'], resourceNames: [identitySecret], verbs: ['get'] },
    // A name cannot limit a create.
    { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      verbs: ['get', 'list', 'create', 'update', 'patch', 'delete'],
    },
  ];
}

function partRules(): readonly PolicyRule[] {
  return [...fleetControllerSpecs.flatMap((spec) => spec.rbac), ...frontRules];
}

/** Those verbs of all rules that `wanted` lets through; resources of a group with the same verbs share a rule. */
function merged(rules: readonly PolicyRule[], wanted: (verb: string) => boolean): readonly PolicyRule[] {
  const verbsOf = new Map<string, Set<string>>();
  for (const { apiGroups = [], resources = [], verbs } of rules) {
    for (const key of apiGroups.flatMap((group) => resources.map((resource) => `${group} ${resource}`)))
      verbsOf.set(key, new Set([...(verbsOf.get(key) ?? []), ...verbs.filter(wanted)]));
  }
  const sharing = new Map<
    string,
    { readonly group: string; readonly verbs: ReadonlySet<string>; resources: string[] }
  >();
  for (const [key, verbs] of verbsOf) {
    const [group = '', resource = ''] = key.split(' ');
    const alike = `${group} ${[...verbs].sort().join(' ')}`;
    const known = sharing.get(alike) ?? { group, verbs, resources: [] };
    known.resources.push(resource);
    sharing.set(alike, known);
  }
  return [...sharing.values()]
    .filter(({ verbs }) => verbs.size > 0)
    .map(({ group, verbs, resources }) => ({ apiGroups: [group], resources, verbs: [...verbs] }));
}
