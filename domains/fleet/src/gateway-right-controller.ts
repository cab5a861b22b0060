/** Keeps the hub's own Role and RoleBinding of every RBACRoleBinding: the right to the gateway of the bound memberships. */
import type { Context } from '@polyanthus/ground-base/context';
import { roleBindings, roles } from '@polyanthus/kube-kinds/core';
import { fleetGroup, fleetRoleBindings, type FleetRoleBinding } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { runController, type ControllerSpec } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { joinKey, keyOf, splitKey } from '@polyanthus/kube-runtime/keys';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { controllingOwner, watchInto } from '@polyanthus/kube-runtime/watches';
import { membershipsOf } from './desired.ts';
import { gatewayRight, gatewayRightName } from './gateway-rights.ts';
import type { HubEnvironment } from './hub-environment.ts';
import { ignoreGone } from './register.ts';
import { fleetCaches, worldOf } from './world.ts';

/** Inputs, outputs and rights of the controller. */
export const gatewayRightControllerSpec: ControllerSpec = {
  name: 'gateway-right',
  inputs: [fleetRoleBindings],
  outputs: [roles, roleBindings],
  rbac: [
    {
      apiGroups: [fleetGroup],
      resources: ['memberships', 'scopes', 'namespaces', 'rbacrolebindings', 'membershipbindings'],
      verbs: ['get', 'list', 'watch'],
    },
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['roles', 'rolebindings'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
    },
    // Held only to be handed out (gateway-rights.ts), so that neither `bind` nor `escalate` is needed.
    { apiGroups: [fleetGroup], resources: ['memberships/gateway'], verbs: ['*'] },
    { apiGroups: [fleetGroup], resources: ['memberships/stream'], verbs: ['create'] },
    { apiGroups: [fleetGroup], resources: ['memberships'], verbs: ['handover'] },
  ],
};

/** Runs until the context is cancelled. */
export async function runGatewayRightController(ctx: Context, env: HubEnvironment): Promise<void> {
  const caches = fleetCaches(env.informers);
  const owned = { labelSelector: `${ownedLabel}=true` };
  const roleCache = env.informers.of(roles, owned);
  const bindingCache = env.informers.of(roleBindings, owned);
  const queue = new WorkQueue({ name: gatewayRightControllerSpec.name, clock: ctx.clock, metrics: env.metrics });
  const ofFleet = (object: KubeObject, scope: string): readonly string[] =>
    caches.roleBindings
      .byIndex('byNamespace', object.metadata.namespace ?? '')
      .filter((one) => one.spec.scope === scope)
      .map(keyOf);
  watchInto(caches.roleBindings, queue);
  watchInto(caches.membershipBindings, queue, (binding) => ofFleet(binding, binding.spec.scope));
  watchInto(caches.scopes, queue, (scope) => ofFleet(scope, scope.metadata.name ?? ''));
  watchInto(roleCache, queue, controllingOwner(fleetRoleBindings));
  watchInto(bindingCache, queue, controllingOwner(fleetRoleBindings));
  const reconcile = async (inner: Context, key: string): Promise<void> => {
    const { namespace = '', name } = splitKey(key);
    const at = { namespace, name: gatewayRightName(name) };
    const source: FleetRoleBinding | undefined = caches.roleBindings.get(key);
    const right =
      source === undefined ? undefined : gatewayRight(source, membershipsOf(source, worldOf(caches, namespace)));
    const liveRole = roleCache.get(joinKey(namespace, at.name));
    const liveBinding = bindingCache.get(joinKey(namespace, at.name));
    if (right === undefined) {
      if (liveBinding !== undefined) await ignoreGone(env.hubClient.delete(inner, roleBindings, at));
      if (liveRole !== undefined) await ignoreGone(env.hubClient.delete(inner, roles, at));
      return;
    }
    if (!jsonEqual(liveRole?.rules, right.role.rules))
      await env.hubClient.patch(inner, roles, at, { type: 'apply', body: right.role, force: true }, { fieldManager });
    if (!jsonEqual(liveBinding?.subjects, right.binding.subjects))
      await env.hubClient.patch(
        inner,
        roleBindings,
        at,
        { type: 'apply', body: right.binding, force: true },
        { fieldManager },
      );
  };
  await runController(ctx, {
    name: gatewayRightControllerSpec.name,
    queue,
    workers: 2,
    informers: [...Object.values(caches), roleCache, bindingCache],
    metrics: env.metrics,
    reconcile,
  });
}
