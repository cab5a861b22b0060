/**
 * A binding belongs to the membership that it names: the reference to its owner lets the garbage collector remove it with
 * the membership, so that it never holds for the next cluster of the name.
 */
import type { Context } from '@polyanthus/ground-base/context';
import {
  fleetGroup,
  fleetRoleBindings,
  membershipBindings,
  memberships,
  type FleetRoleBinding,
  type Membership,
  type MembershipBinding,
} from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager } from '@polyanthus/kube-kinds/own/ownership';
import type { OwnerReference } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { runController, type ControllerSpec } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { joinKey, splitKey } from '@polyanthus/kube-runtime/keys';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { groupOf, watchInto } from '@polyanthus/kube-runtime/watches';
import type { HubEnvironment } from './hub-environment.ts';
import { ignoreGone } from './register.ts';

/** Inputs, outputs and rights of the controller. */
export const bindingOwnerControllerSpec: ControllerSpec = {
  name: 'binding-owner',
  inputs: [memberships],
  outputs: [fleetRoleBindings, membershipBindings],
  rbac: [
    { apiGroups: [fleetGroup], resources: ['memberships'], verbs: ['get', 'list', 'watch'] },
    {
      apiGroups: [fleetGroup],
      resources: ['rbacrolebindings', 'membershipbindings'],
      verbs: ['get', 'list', 'watch', 'patch'],
    },
  ],
};

type Binding = FleetRoleBinding | MembershipBinding;

/** Runs until the context is cancelled. */
export async function runBindingOwnerController(ctx: Context, env: HubEnvironment): Promise<void> {
  const members = env.informers.of(memberships);
  const roleCache = env.informers.of(fleetRoleBindings);
  const memberCache = env.informers.of(membershipBindings);
  const queue = new WorkQueue({ name: bindingOwnerControllerSpec.name, clock: ctx.clock, metrics: env.metrics });
  watchInto(members, queue);
  for (const cache of [roleCache, memberCache])
    watchInto(cache, queue, (binding: Binding) =>
      membershipsNamedBy(binding).map((name) => joinKey(binding.metadata.namespace, name)),
    );
  await runController(ctx, {
    name: bindingOwnerControllerSpec.name,
    queue,
    workers: 2,
    informers: [members, roleCache, memberCache],
    metrics: env.metrics,
    reconcile: async (inner, key) => {
      const { namespace = '', name } = splitKey(key);
      const find = (one: string): Membership | undefined => members.get(joinKey(namespace, one));
      for (const binding of roleCache.byIndex('byNamespace', namespace))
        if (membershipsNamedBy(binding).includes(name)) await own(inner, env, fleetRoleBindings, binding, find);
      for (const binding of memberCache.byIndex('byNamespace', namespace))
        if (membershipsNamedBy(binding).includes(name)) await own(inner, env, membershipBindings, binding, find);
    },
  });
}

async function own<T extends Binding>(
  ctx: Context,
  env: HubEnvironment,
  type: ResourceType<T>,
  binding: T,
  find: (name: string) => Membership | undefined,
): Promise<void> {
  const ownerReferences = ownersOf(binding, find);
  if (jsonEqual(ownerReferences, binding.metadata.ownerReferences ?? [])) return;
  const { namespace, name = '', resourceVersion } = binding.metadata;
  const body = { metadata: { resourceVersion, ownerReferences } };
  await ignoreGone(env.hubClient.patch(ctx, type, { namespace, name }, { type: 'merge', body }, { fieldManager }));
}

const isMembership = (one: OwnerReference): boolean =>
  one.kind === memberships.kind && groupOf(one.apiVersion) === fleetGroup;

/** By its spec, and by owners that it has from an earlier spec. */
function membershipsNamedBy(binding: Binding): readonly string[] {
  const owners = (binding.metadata.ownerReferences ?? []).filter(isMembership).map((one) => one.name);
  const { membership } = binding.spec;
  return [...new Set(membership === undefined || membership === '' ? owners : [membership, ...owners])];
}

/**
 * The owners that a binding should have. One whose membership was deleted and made anew keeps the old owner: it is
 * about to go. Without a membership of the name there is none yet.
 */
export function ownersOf(binding: Binding, find: (name: string) => Membership | undefined): readonly OwnerReference[] {
  const had = binding.metadata.ownerReferences ?? [];
  const named = binding.spec.membership ?? '';
  const member = named === '' ? undefined : find(named);
  const uid = member?.metadata.uid ?? '';
  if (had.some((one) => isMembership(one) && one.name === named && one.uid !== uid)) return had;
  const others = had.filter((one) => !isMembership(one));
  if (member === undefined || member.metadata.deletionTimestamp !== undefined)
    return [...others, ...had.filter((one) => isMembership(one) && one.name === named)];
  return [...others, { apiVersion: `${fleetGroup}/v1`, kind: memberships.kind, name: named, uid }];
}
