/** How many pods a pod's owner wants: the four well-known kinds from caches, anything else by its scale subresource. */
import type { Context } from '@polyanthus/ground-base/context';
import { discover, type DiscoveredResource } from '@polyanthus/kube-client/discovery';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { deployments, replicaSets } from '@polyanthus/kube-kinds/core';
import { statefulSets } from '@polyanthus/kube-kinds/workloads';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { joinKey } from '@polyanthus/kube-runtime/keys';
import { groupOf } from '@polyanthus/kube-runtime/watches';
import type { ControllerEnv } from '../environment.ts';
import { controllerOf } from '../ownership.ts';
import { disruptionError } from './failure.ts';

/** Anything with replicas. */
interface Scaled extends KubeObject {
  readonly spec?: { readonly replicas?: number };
}

/** core/v1 ReplicationController, as far as its scale goes. */
export const replicationControllers = resourceType<Scaled>(
  '',
  'v1',
  'replicationcontrollers',
  'ReplicationController',
  true,
);

interface Cache {
  get(key: string): Scaled | undefined;
}

/** An owner, and how many pods it wants. */
export interface OwnerScale {
  readonly uid: string;
  readonly replicas: number;
}

/** Finds the scale of the owner that a pod names; undefined when that owner is gone. */
export type ScaleFinder = (
  ctx: Context,
  owner: OwnerReference,
  namespace: string,
) => Promise<OwnerScale | undefined> | OwnerScale | undefined;

/** How long a discovery counts before an unknown kind is looked for anew. */
const discoveryMs = 30_000;

/** The caches that scales come from. */
export interface ScaleCaches {
  readonly find: ScaleFinder;
  readonly informers: readonly Pick<Informer, 'synced'>[];
}

/** Throws, with kube-controller-manager's words, for owners that have no scale. */
export function scaleFinder(env: ControllerEnv): ScaleCaches {
  const sets = env.informers.of(replicaSets);
  const rollouts = env.informers.of(deployments);
  const stateful = env.informers.of(statefulSets);
  const controllers = env.informers.of(replicationControllers);
  const other = bySubresource(env.client);
  const cached = (cache: Cache, owner: OwnerReference, namespace: string): Scaled | undefined => {
    const found = cache.get(joinKey(namespace, owner.name));
    return found?.metadata.uid === owner.uid ? found : undefined;
  };
  const ofSet = (owner: OwnerReference, namespace: string): Scaled | undefined => {
    const set = cached(sets, owner, namespace);
    const above = set === undefined ? undefined : controllerOf(set);
    if (above?.kind !== deployments.kind) return set;
    // A set that a rollout replaces counts as its Deployment, or every rollout would want twice the pods.
    return isApps(above) ? cached(rollouts, above, namespace) : undefined;
  };
  const find: ScaleFinder = (ctx, owner, namespace) => {
    const group = groupOf(owner.apiVersion);
    let known: Scaled | undefined;
    if (owner.kind === 'ReplicaSet' && isApps(owner)) known = ofSet(owner, namespace);
    else if (owner.kind === 'StatefulSet' && group === 'apps') known = cached(stateful, owner, namespace);
    else if (owner.kind === 'ReplicationController' && group === '') known = cached(controllers, owner, namespace);
    return known === undefined ? other(ctx, owner, namespace) : scaleOf(known);
  };
  return { find, informers: [sets, rollouts, stateful, controllers] };
}

const isApps = (owner: OwnerReference): boolean => ['apps', 'extensions'].includes(groupOf(owner.apiVersion));

const scaleOf = ({ metadata, spec }: Scaled): OwnerScale => ({
  uid: metadata.uid ?? '',
  replicas: spec?.replicas ?? 0,
});

function bySubresource(
  client: KubeClient,
): (ctx: Context, owner: OwnerReference, namespace: string) => Promise<OwnerScale | undefined> {
  let known: readonly DiscoveredResource[] = [];
  let readAtMs = -Infinity;
  const kindOf = async (ctx: Context, owner: OwnerReference): Promise<DiscoveredResource> => {
    const lookUp = (): DiscoveredResource | undefined =>
      known.find((one) => one.kind === owner.kind && apiVersionOf(one) === owner.apiVersion);
    if (lookUp() === undefined && ctx.clock.monotonic() - readAtMs >= discoveryMs) {
      readAtMs = ctx.clock.monotonic();
      known = (await discover(ctx, client)).resources;
    }
    const found = lookUp();
    if (found !== undefined) return found;
    throw disruptionError(`no matches for kind "${owner.kind}" in version "${owner.apiVersion}"`);
  };
  return async (ctx, owner, namespace) => {
    const type = await kindOf(ctx, owner);
    const name = type.group === '' ? type.resource : `${type.resource}.${type.group}`;
    if (!type.subresources.includes('scale')) throw disruptionError(`${name} does not implement the scale subresource`);
    try {
      const key = { ...(type.namespaced ? { namespace } : {}), name: owner.name };
      const scale = (await client.get(ctx, type, key, { subresource: 'scale' })) as Scaled;
      return scale.metadata.uid === owner.uid ? scaleOf(scale) : undefined;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  };
}
