/**
 * The hub's own kinds, `fleet.polyanthus.dev/v1` (shapes of facts/fleet.md section 1; DESIGN section 4 "Fleet"). A fleet
 * is a namespace of the hub, so every kind here is namespaced.
 */
import type { Condition, KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';

/** API group of the hub's own kinds. */
export const fleetGroup = 'fleet.polyanthus.dev';

/** A cluster that belongs to the fleet. Its own metadata.uid is the identity; the name may be used again later. */
export interface Membership extends KubeObject {
  readonly spec?: {
    /** uid of the member's kube-system namespace: which cluster this is. */
    readonly externalId?: string;
    readonly description?: string;
    /** How the agent gets there: the hub deploys nothing by itself. */
    readonly agent?: 'deploy' | 'manifest' | 'external';
    /** What the agent may do in the member at most. */
    readonly ceiling?: 'full' | 'readonly';
    /** The member's ServiceAccount issuer and keys, to check tokens of its agent and workloads. */
    readonly authority?: { readonly issuer?: string; readonly oidcJwks?: string };
  };
  readonly status?: {
    readonly state?: 'CREATING' | 'READY' | 'DELETING' | 'UPDATING';
    /** SHA-256 (hex) of the agent key's SubjectPublicKeyInfo that may open the tunnel. */
    readonly agentKey?: string;
    readonly agentVersion?: string;
    /** RFC 3339; refreshed at most once a minute. */
    readonly lastConnectionTime?: string;
    readonly kubernetes?: {
      readonly version?: string;
      readonly nodeCount?: number;
      readonly vcpuCount?: number;
      readonly memoryMb?: number;
    };
    /** Which hub replica holds the tunnel; a higher epoch wins. */
    readonly holder?: { readonly replica: string; readonly epoch: number };
    readonly conditions?: readonly Condition[];
  };
}
/** Type of Membership, for clients. */
export const memberships = resourceType<Membership>(fleetGroup, 'v1', 'memberships', 'Membership', true);

/** A team's part of the fleet. */
export interface Scope extends KubeObject {
  readonly spec?: { readonly displayName?: string; readonly namespaceLabels?: Readonly<Record<string, string>> };
  readonly status?: { readonly state?: string; readonly conditions?: readonly Condition[] };
}
/** Type of Scope, for clients. */
export const scopes = resourceType<Scope>(fleetGroup, 'v1', 'scopes', 'Scope', true);

/** A namespace that exists in every member bound to the scope. metadata.name is `<scope>.<namespace>`. */
export interface FleetNamespace extends KubeObject {
  readonly spec: {
    readonly scope: string;
    readonly namespace: string;
    readonly namespaceLabels?: Readonly<Record<string, string>>;
  };
  readonly status?: { readonly state?: string; readonly conditions?: readonly Condition[] };
}
/** Type of the fleet Namespace, for clients. */
export const fleetNamespaces = resourceType<FleetNamespace>(fleetGroup, 'v1', 'namespaces', 'Namespace', true);

/** Gives a user or a group a role in the members: all namespaces of a scope, or the whole of one membership. */
export interface FleetRoleBinding extends KubeObject {
  readonly spec: {
    /**
     * Exactly one of scope and membership.
     * @minLength 1
     */
    readonly scope?: string;
    /** @minLength 1 */
    readonly membership?: string;
    /**
     * Exactly one of user and group.
     * @minLength 1
     */
    readonly user?: string;
    /** @minLength 1 */
    readonly group?: string;
    /** Exactly one of both; `customRole` is a ClusterRole of the member. */
    readonly role: { readonly predefinedRole?: 'ADMIN' | 'EDIT' | 'VIEW'; readonly customRole?: string };
  };
  readonly status?: { readonly state?: string; readonly conditions?: readonly Condition[] };
}
/** Type of the fleet RoleBinding, for clients. */
export const fleetRoleBindings = resourceType<FleetRoleBinding>(
  fleetGroup,
  'v1',
  'rbacrolebindings',
  'RBACRoleBinding',
  true,
);

/** Puts a membership into a scope. */
export interface MembershipBinding extends KubeObject {
  readonly spec: { readonly membership: string; readonly scope: string };
  readonly status?: { readonly state?: string; readonly conditions?: readonly Condition[] };
}
/** Type of MembershipBinding, for clients. */
export const membershipBindings = resourceType<MembershipBinding>(
  fleetGroup,
  'v1',
  'membershipbindings',
  'MembershipBinding',
  true,
);

/** A namespace as one member shall have it. */
export interface ManifestNamespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A role binding as one member shall have it; without a namespace it is cluster-wide. */
export interface ManifestBinding {
  readonly name: string;
  readonly namespace?: string;
  /** A ClusterRole of the member. */
  readonly clusterRole: string;
  readonly user?: string;
  readonly group?: string;
}

/**
 * What one member shall have of its fleet, computed by the hub; the agent reads this one object and no other. Its name
 * is the membership's.
 */
export interface MembershipManifest extends KubeObject {
  readonly spec: { readonly namespaces: readonly ManifestNamespace[]; readonly bindings: readonly ManifestBinding[] };
  readonly status?: {
    /** metadata.generation that the member has in full. */
    readonly observedGeneration?: number;
    /** Nodes of the member when the agent last looked. */
    readonly nodeCount?: number;
    readonly conditions?: readonly Condition[];
  };
}
/** Type of MembershipManifest, for clients. */
export const membershipManifests = resourceType<MembershipManifest>(
  fleetGroup,
  'v1',
  'membershipmanifests',
  'MembershipManifest',
  true,
);

/** The lock object in a member, `memberships.hub.gke.io/v1beta1`, cluster-scoped, named `membership`: one fleet a cluster. */
export interface InClusterMembership extends KubeObject {
  readonly spec: { readonly owner: { readonly id: string } };
}
/** Type of the member's lock object, for clients. */
export const inClusterMemberships = resourceType<InClusterMembership>(
  'hub.gke.io',
  'v1beta1',
  'memberships',
  'Membership',
  false,
);
