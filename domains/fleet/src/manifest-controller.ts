/**
 * Computes one MembershipManifest per membership, and the right of its agent to read that one object: the agent's user
 * may get and watch it by name, and write its status.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { roleBindings, roles, type Role, type RoleBinding } from '@polyanthus/kube-kinds/core';
import {
  fleetGroup,
  membershipManifests,
  memberships,
  type Membership,
  type MembershipManifest,
} from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { runController, type ControllerSpec } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { joinKey, splitKey } from '@polyanthus/kube-runtime/keys';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { agentUser } from './agent-user.ts';
import { formerUids } from './former-uids.ts';
import { desiredManifest } from './desired.ts';
import type { HubEnvironment } from './hub-environment.ts';
import { fleetCaches, worldOf, type FleetCaches } from './world.ts';

const rbac = 'rbac.authorization.k8s.io';

/** Inputs, outputs and rights of the controller. */
export const manifestControllerSpec: ControllerSpec = {
  name: 'membership-manifest',
  inputs: [memberships],
  outputs: [membershipManifests, memberships, roles, roleBindings],
  rbac: [
    {
      apiGroups: [fleetGroup],
      resources: ['memberships', 'scopes', 'namespaces', 'rbacrolebindings', 'membershipbindings'],
      verbs: ['get', 'list', 'watch'],
    },
    {
      apiGroups: [fleetGroup],
      resources: ['membershipmanifests'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch'],
    },
    {
      apiGroups: [rbac],
      resources: ['roles', 'rolebindings'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
    },
    { apiGroups: [fleetGroup], resources: ['memberships/status'], verbs: ['patch'] },
    // Held only to be handed to agents, so that neither `bind` nor `escalate` is needed.
    { apiGroups: [fleetGroup], resources: ['membershipmanifests/status'], verbs: ['patch'] },
  ],
};

interface Scope {
  readonly env: HubEnvironment;
  readonly caches: FleetCaches;
  readonly manifests: Informer<MembershipManifest>;
  readonly roles: Informer<Role>;
  readonly roleBindings: Informer<RoleBinding>;
}

/** Runs until the context is cancelled. */
export async function runManifestController(ctx: Context, env: HubEnvironment): Promise<void> {
  const caches = fleetCaches(env.informers);
  const manifests = env.informers.of(membershipManifests);
  const owned = { labelSelector: `${ownedLabel}=true` };
  const roleCache = env.informers.of(roles, owned);
  const bindingCache = env.informers.of(roleBindings, owned);
  const queue = new WorkQueue({ name: manifestControllerSpec.name, clock: ctx.clock, metrics: env.metrics });
  const all = (object: KubeObject): readonly string[] =>
    caches.memberships
      .byIndex('byNamespace', object.metadata.namespace ?? '')
      .map((one) => joinKey(one.metadata.namespace, one.metadata.name ?? ''));
  watchInto(caches.memberships, queue);
  watchInto(manifests, queue);
  watchInto(caches.membershipBindings, queue, (binding) => [
    joinKey(binding.metadata.namespace, binding.spec.membership),
  ]);
  watchInto(caches.scopes, queue, all);
  watchInto(caches.namespaces, queue, all);
  watchInto(caches.roleBindings, queue, all);
  const scope: Scope = { env, caches, manifests, roles: roleCache, roleBindings: bindingCache };
  await runController(ctx, {
    name: manifestControllerSpec.name,
    queue,
    workers: 4,
    informers: [...Object.values(caches), manifests, roleCache, bindingCache],
    metrics: env.metrics,
    reconcile: (inner, key) => reconcile(inner, scope, key),
  });
}

async function reconcile(ctx: Context, scope: Scope, key: string): Promise<void> {
  const membership = scope.caches.memberships.get(key);
  // Owner references let the garbage collector remove what belonged to a membership that is gone.
  if (membership === undefined || membership.metadata.deletionTimestamp !== undefined) return;
  const { namespace = '', name } = splitKey(key);
  const spec = desiredManifest(name, worldOf(scope.caches, namespace));
  const metadata = { name, namespace, labels: { [ownedLabel]: 'true' }, ownerReferences: [ownerOf(membership)] };
  await applyIfChanged(ctx, scope, membershipManifests, scope.manifests, {
    apiVersion: `${fleetGroup}/v1`,
    kind: 'MembershipManifest',
    metadata,
    spec,
  });
  const { role, binding } = agentRight(membership);
  await applyIfChanged(ctx, scope, roles, scope.roles, role);
  await applyIfChanged(ctx, scope, roleBindings, scope.roleBindings, binding);
  await showNodeCount(ctx, scope, membership);
}

/** The agent may write its manifest's status alone: what it counted is carried over to the Membership here. */
async function showNodeCount(ctx: Context, scope: Scope, membership: Membership): Promise<void> {
  const { name = '', namespace, uid } = membership.metadata;
  const nodeCount = scope.manifests.get(joinKey(namespace, name))?.status?.nodeCount;
  if (nodeCount === undefined || nodeCount === membership.status?.kubernetes?.nodeCount) return;
  const body = { metadata: { uid }, status: { kubernetes: { nodeCount } } };
  const options = { fieldManager, subresource: 'status' };
  await scope.env.hubClient.patch(ctx, memberships, { namespace, name }, { type: 'merge', body }, options);
}

function ownerOf(membership: Membership): NonNullable<KubeObject['metadata']['ownerReferences']>[number] {
  return {
    apiVersion: membership.apiVersion,
    kind: membership.kind,
    name: membership.metadata.name ?? '',
    uid: membership.metadata.uid ?? '',
    controller: true,
  };
}

/** What the agent may do at the hub: read its own manifest and report on it. */
function agentRight(membership: Membership): { readonly role: Role; readonly binding: RoleBinding } {
  const { name = '', namespace = '', uid = '' } = membership.metadata;
  const metadata = {
    name: `fleet:agent:${name}`,
    namespace,
    labels: { [ownedLabel]: 'true' },
    ownerReferences: [ownerOf(membership)],
  };
  return {
    role: {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata,
      rules: [
        {
          apiGroups: [fleetGroup],
          resources: ['membershipmanifests'],
          resourceNames: [name],
          verbs: ['get', 'list', 'watch'],
        },
        { apiGroups: [fleetGroup], resources: ['membershipmanifests/status'], resourceNames: [name], verbs: ['patch'] },
      ],
    },
    binding: {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: metadata.name },
      subjects: [uid, ...formerUids(membership)].map((one) => ({ kind: 'User', apiGroup: rbac, name: agentUser(one) })),
    },
  };
}

/** Applies when the cache does not show it already; the parts that are ours are compared. */
async function applyIfChanged<T extends KubeObject>(
  ctx: Context,
  scope: Scope,
  type: ResourceType<T>,
  cache: Informer<T>,
  wanted: T,
): Promise<void> {
  const live = cache.get(joinKey(wanted.metadata.namespace, wanted.metadata.name ?? ''));
  if (live !== undefined && sameParts(live, wanted)) return;
  await scope.env.hubClient.patch(
    ctx,
    type,
    { namespace: wanted.metadata.namespace, name: wanted.metadata.name ?? '' },
    { type: 'apply', body: wanted, force: true },
    { fieldManager },
  );
}

function sameParts(live: KubeObject, wanted: KubeObject): boolean {
  const parts = (object: KubeObject): unknown => {
    const { spec, rules, roleRef, subjects } = object as unknown as Record<string, unknown>;
    return { spec, rules, roleRef, subjects, labels: object.metadata.labels, owners: object.metadata.ownerReferences };
  };
  return jsonEqual(parts(live), parts(wanted));
}
