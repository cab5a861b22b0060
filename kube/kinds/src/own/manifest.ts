/** What the CRDs of the product's own kinds need beside the shapes: names, scope, columns. `generate-own.ts` joins them. */

/** One kind; `interface` is its name in the file `source` beside this one. */
export interface OwnKind {
  readonly group: string;
  readonly version: string;
  readonly source: string;
  readonly interface: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  readonly status: boolean;
  /** What of an object must hold together, in CEL, by the part of the object (`spec.role`) that is `self`. */
  readonly rules?: Readonly<Record<string, readonly { readonly rule: string; readonly message: string }[]>>;
  readonly columns: readonly {
    readonly name: string;
    readonly jsonPath: string;
    readonly type: 'string' | 'integer' | 'date';
    readonly priority?: number;
  }[];
}

const exactlyOne = (one: string, other: string) => ({
  rule: `has(self.${one}) != has(self.${other})`,
  message: `exactly one of ${one} and ${other} must be given`,
});
const age = { name: 'Age', jsonPath: '.metadata.creationTimestamp', type: 'date' } as const;
const fleet = { group: 'fleet.polyanthus.dev', version: 'v1', source: 'fleet.ts', scope: 'Namespaced' } as const;
const runbook = {
  group: 'runbook.polyanthus.dev',
  version: 'v1',
  source: 'runbook.ts',
  scope: 'Namespaced',
  status: true,
} as const;

/** Every own kind that is a CRD of the hub, and the lock object that is one of the members. */
export const ownKinds: readonly OwnKind[] = [
  {
    ...fleet,
    interface: 'Membership',
    kind: 'Membership',
    plural: 'memberships',
    singular: 'membership',
    shortNames: ['mbr'],
    status: true,
    columns: [
      { name: 'External_ID', jsonPath: '.spec.externalId', type: 'string' },
      { name: 'State', jsonPath: '.status.state', type: 'string' },
      { name: 'Connected', jsonPath: '.status.conditions[?(@.type=="Connected")].status', type: 'string' },
      { name: 'Version', jsonPath: '.status.kubernetes.version', type: 'string' },
      { name: 'Holder', jsonPath: '.status.holder.replica', type: 'string', priority: 1 },
      age,
    ],
  },
  {
    ...fleet,
    interface: 'Scope',
    kind: 'Scope',
    plural: 'scopes',
    singular: 'scope',
    shortNames: [],
    status: true,
    columns: [{ name: 'Display', jsonPath: '.spec.displayName', type: 'string' }, age],
  },
  {
    ...fleet,
    interface: 'FleetNamespace',
    kind: 'Namespace',
    plural: 'namespaces',
    singular: 'namespace',
    shortNames: [],
    status: true,
    columns: [
      { name: 'Scope', jsonPath: '.spec.scope', type: 'string' },
      { name: 'Namespace', jsonPath: '.spec.namespace', type: 'string' },
      age,
    ],
  },
  {
    ...fleet,
    interface: 'FleetRoleBinding',
    kind: 'RBACRoleBinding',
    plural: 'rbacrolebindings',
    singular: 'rbacrolebinding',
    shortNames: ['rrb'],
    status: true,
    rules: {
      spec: [exactlyOne('scope', 'membership'), exactlyOne('user', 'group')],
      'spec.role': [exactlyOne('predefinedRole', 'customRole')],
    },
    columns: [
      { name: 'Scope', jsonPath: '.spec.scope', type: 'string' },
      { name: 'Membership', jsonPath: '.spec.membership', type: 'string' },
      { name: 'User', jsonPath: '.spec.user', type: 'string' },
      { name: 'Group', jsonPath: '.spec.group', type: 'string' },
      { name: 'Role', jsonPath: '.spec.role.predefinedRole', type: 'string' },
      age,
    ],
  },
  {
    ...fleet,
    interface: 'MembershipBinding',
    kind: 'MembershipBinding',
    plural: 'membershipbindings',
    singular: 'membershipbinding',
    shortNames: ['mb'],
    status: true,
    columns: [
      { name: 'Membership', jsonPath: '.spec.membership', type: 'string' },
      { name: 'Scope', jsonPath: '.spec.scope', type: 'string' },
      age,
    ],
  },
  {
    ...fleet,
    interface: 'MembershipManifest',
    kind: 'MembershipManifest',
    plural: 'membershipmanifests',
    singular: 'membershipmanifest',
    shortNames: [],
    status: true,
    columns: [{ name: 'Applied', jsonPath: '.status.observedGeneration', type: 'integer' }, age],
  },
  {
    group: 'hub.gke.io',
    version: 'v1beta1',
    source: 'fleet.ts',
    interface: 'InClusterMembership',
    kind: 'Membership',
    plural: 'memberships',
    singular: 'membership',
    shortNames: [],
    scope: 'Cluster',
    status: false,
    columns: [{ name: 'Owner', jsonPath: '.spec.owner.id', type: 'string' }, age],
  },
  {
    ...runbook,
    interface: 'Run',
    kind: 'Run',
    plural: 'runs',
    singular: 'run',
    shortNames: [],
    columns: [
      { name: 'Runbook', jsonPath: '.spec.runbook', type: 'string' },
      { name: 'Phase', jsonPath: '.status.phase', type: 'string' },
      { name: 'Proven', jsonPath: '.status.steps.proven', type: 'integer' },
      { name: 'Total', jsonPath: '.status.steps.total', type: 'integer' },
      { name: 'Message', jsonPath: '.status.message', type: 'string', priority: 1 },
      age,
    ],
  },
  {
    ...runbook,
    interface: 'RunHandover',
    kind: 'RunHandover',
    plural: 'runhandovers',
    singular: 'runhandover',
    shortNames: [],
    columns: [
      { name: 'Run', jsonPath: '.metadata.name', type: 'string' },
      { name: 'Message', jsonPath: '.status.message', type: 'string' },
      { name: 'Age', jsonPath: '.metadata.creationTimestamp', type: 'date' },
    ],
  },
  {
    ...runbook,
    interface: 'RunStep',
    kind: 'RunStep',
    plural: 'runsteps',
    singular: 'runstep',
    shortNames: [],
    columns: [
      { name: 'Run', jsonPath: '.spec.run', type: 'string' },
      { name: 'Step', jsonPath: '.spec.step', type: 'string' },
      { name: 'Target', jsonPath: '.spec.target.name', type: 'string' },
      { name: 'State', jsonPath: '.status.state', type: 'string' },
      { name: 'Attempt', jsonPath: '.status.attempt', type: 'integer' },
      age,
    ],
  },
];
