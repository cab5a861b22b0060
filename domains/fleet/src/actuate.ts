/**
 * Makes a member as its manifest says: namespaces, bindings, and nothing that is not ours. A namespace is labelled and,
 * when it leaves the fleet, released: it may hold the users' data, so it is never deleted (docs/adr/0003).
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import {
  clusterRoleBindings,
  namespaces,
  roleBindings,
  type Namespace,
  type RoleBinding,
} from '@polyanthus/kube-kinds/core';
import type { ManifestBinding, ManifestNamespace, MembershipManifest } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, fleetLabel, ownedLabel, scopeLabel } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { isReservedNamespace } from './reserved-namespaces.ts';

/** What one round did, for logs and tests. */
export interface Actuation {
  readonly applied: readonly string[];
  readonly removed: readonly string[];
  /** What the manifest asks for and does not get, with the reason. */
  readonly refused: readonly string[];
}

const rbac = 'rbac.authorization.k8s.io';

/** One round: reads what carries the fleet's label, applies what differs, removes what is no longer wanted. */
export async function actuate(
  ctx: Context,
  memberClient: KubeClient,
  fleet: string,
  manifest: MembershipManifest['spec'],
): Promise<Actuation> {
  const { spec, refused } = withoutReserved(manifest);
  const applied: string[] = [];
  const removed: string[] = [];
  const selector = { labelSelector: `${fleetLabel}=${fleet},${ownedLabel}=true` };
  const liveNamespaces = (await memberClient.listAll(ctx, namespaces, selector)).items;
  const liveBindings = [
    ...(await memberClient.listAll(ctx, roleBindings, selector)).items,
    ...(await memberClient.listAll(ctx, clusterRoleBindings, selector)).items,
  ];
  for (const wanted of spec.namespaces) {
    const live = liveNamespaces.find((one) => one.metadata.name === wanted.name);
    if (live !== undefined && hasLabels(live, namespaceLabels(fleet, wanted))) continue;
    await apply(ctx, memberClient, namespaces, namespaceObject(fleet, wanted));
    applied.push(`Namespace ${wanted.name}`);
  }
  for (const wanted of spec.bindings) {
    const live = liveBindings.find((one) => bindingKey(one.metadata) === bindingKey(wanted));
    if (live !== undefined && sameBinding(live, bindingObject(fleet, wanted))) continue;
    if (live === undefined && (await isTaken(ctx, memberClient, wanted))) {
      refused.push(`${describeBinding(wanted)}: one that is not of this fleet has the name`);
      continue;
    }
    await applyBinding(ctx, memberClient, live, bindingObject(fleet, wanted));
    applied.push(describeBinding(wanted));
  }
  for (const live of liveBindings) {
    if (spec.bindings.some((wanted) => bindingKey(wanted) === bindingKey(live.metadata))) continue;
    await deleteOne(ctx, memberClient, live);
    removed.push(
      describeBinding({
        name: live.metadata.name ?? '',
        ...(live.metadata.namespace === undefined ? {} : { namespace: live.metadata.namespace }),
      }),
    );
  }
  for (const live of liveNamespaces) {
    if (spec.namespaces.some((wanted) => wanted.name === live.metadata.name)) continue;
    await release(ctx, memberClient, live);
    removed.push(`Namespace ${live.metadata.name ?? ''} (released)`);
  }
  return { applied, removed, refused };
}

/** The hub's word alone makes nobody master of the member by a namespace of the cluster itself. */
function withoutReserved({ namespaces: wanted, bindings }: MembershipManifest['spec']): {
  readonly spec: MembershipManifest['spec'];
  readonly refused: string[];
} {
  const refused = wanted
    .filter(({ name }) => isReservedNamespace(name))
    .map(({ name }) => `Namespace ${name}: it belongs to the cluster itself and cannot be a fleet namespace`);
  const spec = {
    namespaces: wanted.filter(({ name }) => !isReservedNamespace(name)),
    bindings: bindings.filter(({ namespace }) => namespace === undefined || !isReservedNamespace(namespace)),
  };
  return { spec, refused };
}

/** Whether the name is in use; the caller has found that no object of this fleet has it. */
async function isTaken(ctx: Context, memberClient: KubeClient, wanted: ManifestBinding): Promise<boolean> {
  const key = { namespace: wanted.namespace, name: wanted.name };
  const type = wanted.namespace === undefined ? clusterRoleBindings : roleBindings;
  return (await unlessGone(memberClient.get(ctx, type, key))) !== undefined;
}

function namespaceLabels(fleet: string, wanted: ManifestNamespace): Readonly<Record<string, string>> {
  return { ...wanted.labels, [fleetLabel]: fleet, [ownedLabel]: 'true' };
}

function namespaceObject(fleet: string, wanted: ManifestNamespace): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: wanted.name, labels: namespaceLabels(fleet, wanted) },
  };
}

function bindingObject(fleet: string, wanted: ManifestBinding): RoleBinding {
  const subject =
    wanted.user === undefined
      ? { kind: 'Group' as const, name: wanted.group ?? '' }
      : { kind: 'User' as const, name: wanted.user };
  return {
    apiVersion: `${rbac}/v1`,
    kind: wanted.namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: {
      name: wanted.name,
      ...(wanted.namespace === undefined ? {} : { namespace: wanted.namespace }),
      labels: { [fleetLabel]: fleet, [ownedLabel]: 'true' },
    },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: wanted.clusterRole },
    subjects: [{ ...subject, apiGroup: rbac }],
  };
}

const bindingKey = (of: { readonly namespace?: string; readonly name?: string }): string =>
  `${of.namespace ?? ''}/${of.name ?? ''}`;
const describeBinding = (of: { readonly namespace?: string; readonly name: string }): string =>
  of.namespace === undefined ? `ClusterRoleBinding ${of.name}` : `RoleBinding ${of.namespace}/${of.name}`;
const typeOf = (binding: RoleBinding): ResourceType<RoleBinding> =>
  binding.metadata.namespace === undefined ? clusterRoleBindings : roleBindings;

function hasLabels(live: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => live.metadata.labels?.[name] === value);
}

function sameBinding(live: RoleBinding, wanted: RoleBinding): boolean {
  return (
    sameRole(live, wanted) &&
    JSON.stringify(live.subjects?.map(subjectOf)) === JSON.stringify(wanted.subjects?.map(subjectOf))
  );
}

const subjectOf = (subject: {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}): readonly string[] => [subject.kind, subject.name, subject.namespace ?? ''];
const sameRole = (live: RoleBinding, wanted: RoleBinding): boolean =>
  live.roleRef.kind === wanted.roleRef.kind && live.roleRef.name === wanted.roleRef.name;

/** roleRef cannot be changed: another role is a new object. */
async function applyBinding(
  ctx: Context,
  memberClient: KubeClient,
  live: RoleBinding | undefined,
  wanted: RoleBinding,
): Promise<void> {
  if (live !== undefined && !sameRole(live, wanted)) await deleteOne(ctx, memberClient, live);
  await apply(ctx, memberClient, typeOf(wanted), wanted);
}

async function apply<T extends KubeObject>(
  ctx: Context,
  memberClient: KubeClient,
  type: ResourceType<T>,
  object: T,
): Promise<void> {
  const key = { namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
  await memberClient.patch(ctx, type, key, { type: 'apply', body: object, force: true }, { fieldManager });
}

async function deleteOne(ctx: Context, memberClient: KubeClient, live: RoleBinding): Promise<void> {
  const key = { namespace: live.metadata.namespace, name: live.metadata.name ?? '' };
  try {
    await memberClient.delete(ctx, typeOf(live), key, { preconditions: { uid: live.metadata.uid ?? '' } });
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Conflict')) throw error;
  }
}

/** Takes our labels off and leaves the rest. */
async function release(ctx: Context, memberClient: KubeClient, live: Namespace): Promise<void> {
  const labels = { [fleetLabel]: null, [ownedLabel]: null, [scopeLabel]: null };
  await memberClient.patch(
    ctx,
    namespaces,
    { name: live.metadata.name ?? '' },
    { type: 'merge', body: { metadata: { labels } } },
    { fieldManager },
  );
}
