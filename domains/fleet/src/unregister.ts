/** Takes a cluster out of its fleet: checks that it is the right one, then removes what registering made. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { clusterRoleBindings, clusterRoles, customResourceDefinitions, namespaces } from '@polyanthus/kube-kinds/core';
import {
  fleetRoleBindings,
  inClusterMemberships,
  membershipBindings,
  memberships,
  type FleetRoleBinding,
  type MembershipBinding,
} from '@polyanthus/kube-kinds/own/fleet';
import { isOwned, ownedLabel, projectLabel } from '@polyanthus/kube-kinds/own/ownership';
import { actuate } from './actuate.ts';
import { fleetErrors } from './errors.ts';
import { readLock } from './member-facts.ts';
import { fleetOwnerId } from './membership-names.ts';
import { ignoreGone } from './register.ts';

/** Whom to unregister. Without a memberClient only the hub's side is removed and agent and lock stay as orphans. */
export interface UnregisterOptions {
  readonly hubClient: KubeClient;
  readonly memberClient: KubeClient | undefined;
  readonly fleet: string;
  readonly name: string;
}

/** Errors: NotFound of the hub, WrongCluster, and those of both APIs. */
export async function unregister(ctx: Context, options: UnregisterOptions): Promise<void> {
  const key = { namespace: options.fleet, name: options.name };
  const membership = await options.hubClient.get(ctx, memberships, key);
  if (options.memberClient !== undefined)
    await checkCluster(ctx, options.memberClient, membership.spec?.externalId, options.name);
  await deleteBindings(ctx, options.hubClient, key);
  await ignoreGone(
    options.hubClient.delete(ctx, memberships, key, { preconditions: { uid: membership.metadata.uid ?? '' } }),
  );
  if (options.memberClient !== undefined) await cleanMember(ctx, options.memberClient, options);
}

/** Bindings name a membership, not its uid: those left behind would hold for the next cluster of the name. */
async function deleteBindings(
  ctx: Context,
  hubClient: KubeClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const of = (one: FleetRoleBinding | MembershipBinding): boolean => one.spec.membership === name;
  for (const type of [fleetRoleBindings, membershipBindings] as const) {
    const found = await hubClient.listAll<FleetRoleBinding | MembershipBinding>(ctx, type, { namespace });
    for (const { metadata } of found.items.filter(of))
      await ignoreGone(hubClient.delete(ctx, type, { namespace, name: metadata.name ?? '' }));
  }
}

async function checkCluster(
  ctx: Context,
  memberClient: KubeClient,
  externalId: string | undefined,
  name: string,
): Promise<void> {
  const uid = (await memberClient.get(ctx, namespaces, { name: 'kube-system' })).metadata.uid;
  if (uid !== externalId) {
    throw fleetErrors.error(
      'WrongCluster',
      `membership ${name} is not associated with the cluster you are trying to unregister: it has kube-system uid ${externalId ?? 'none'}, the cluster has ${uid ?? 'none'}`,
    );
  }
}

/** Our label alone is on what other parts of the product made too, in a hub that is its own member for instance. */
const madeHere = (membership: string, name: string): boolean =>
  /^polyanthus-agent-(tunnel|fleet)$/.test(name) || name.startsWith(`gateway:${membership}:`);

async function cleanMember(
  ctx: Context,
  memberClient: KubeClient,
  { fleet, name: membership }: { readonly fleet: string; readonly name: string },
): Promise<void> {
  await actuate(ctx, memberClient, fleet, { namespaces: [], bindings: [] });
  const agents = await memberClient.list(ctx, namespaces, {
    labelSelector: `${projectLabel}=${fleet},${ownedLabel}=true`,
  });
  for (const namespace of agents.items)
    await ignoreGone(memberClient.delete(ctx, namespaces, { name: namespace.metadata.name ?? '' }));
  for (const type of [clusterRoleBindings, clusterRoles]) {
    const found = await memberClient.list(ctx, type, { labelSelector: `${ownedLabel}=true` });
    const names = found.items.map((object) => object.metadata.name ?? '').filter((name) => madeHere(membership, name));
    for (const name of names) await ignoreGone(memberClient.delete(ctx, type, { name }));
  }
  const lock = await readLock(ctx, memberClient);
  if (lock.crd === 'absent' || lock.owner !== fleetOwnerId(fleet)) return;
  const object = await unlessGone(memberClient.get(ctx, inClusterMemberships, { name: 'membership' }));
  if (object !== undefined && isOwned(object))
    await ignoreGone(memberClient.delete(ctx, inClusterMemberships, { name: 'membership' }));
  if (lock.crd === 'ours')
    await ignoreGone(memberClient.delete(ctx, customResourceDefinitions, { name: 'memberships.hub.gke.io' }));
}
