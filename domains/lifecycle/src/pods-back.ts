/** Whose pods a drain moves, and whether those controllers have as many ready pods again. */
import type { Context } from '@polyanthus/ground-base/context';
import { judgeNode } from '@polyanthus/engine-drain/drain';
import type { DrainRules } from '@polyanthus/engine-drain/filters';
import type { Verdict } from '@polyanthus/engine-runbook/runbook';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { follow, type Following } from '@polyanthus/kube-client/follow';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { isServing } from '@polyanthus/kube-kinds/ready';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';

/** A controller that loses pods to the drain, and how many of its pods were ready before. */
export interface PodOwner {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly ready: number;
}

type Replicated = KubeObject & { readonly spec?: { readonly replicas?: number } };

/** Controllers that keep a number of pods; of others (a Job) nothing is expected. */
const replicated = new Map(
  [
    resourceType<Replicated>('apps', 'v1', 'replicasets', 'ReplicaSet', true),
    resourceType<Replicated>('apps', 'v1', 'statefulsets', 'StatefulSet', true),
    resourceType<Replicated>('', 'v1', 'replicationcontrollers', 'ReplicationController', true),
  ].map((type) => [type.kind, type]),
);

/** The controllers of the pods that a drain of the node will evict. */
export async function ownersOf(
  ctx: Context,
  client: KubeClient,
  node: string,
  rules: DrainRules,
): Promise<readonly PodOwner[]> {
  const verdicts = await judgeNode(ctx, client, node, rules);
  const owners = new Map<string, Omit<PodOwner, 'ready'>>();
  for (const { pod, evict } of verdicts) {
    const owner = controllerOf(pod);
    if (!evict || owner === undefined || !replicated.has(owner.kind)) continue;
    const { kind, name, uid } = owner;
    owners.set(uid, { namespace: pod.metadata.namespace ?? '', kind, name, uid });
  }
  const ready = await readyPods(ctx, client, [...owners.values()]);
  return [...owners.values()].map((owner) => ({ ...owner, ready: ready.get(owner.uid) ?? 0 }));
}

/** Whether each of them has as many ready pods as before, or as it wants by now when that is fewer. */
export async function podsBack(ctx: Context, client: KubeClient, owners: readonly PodOwner[]): Promise<Verdict> {
  const ready = await readyPods(ctx, client, owners);
  const missing: string[] = [];
  for (const owner of owners) {
    const wanted = Math.min(owner.ready, await wantedBy(ctx, client, owner));
    const found = ready.get(owner.uid) ?? 0;
    if (found < wanted) missing.push(`${owner.kind} ${owner.namespace}/${owner.name} has ${found} of ${wanted} ready`);
  }
  const back = `${owners.length} controllers have their pods back`;
  return { ok: missing.length === 0, evidence: missing.length === 0 ? back : missing.slice(0, 5).join('; ') };
}

/** Those that had ready pods before and have none now: `Kind namespace/name`. */
export async function ownersDown(
  ctx: Context,
  client: KubeClient,
  owners: readonly PodOwner[],
): Promise<readonly string[]> {
  const ready = await readyPods(ctx, client, owners);
  return owners
    .filter((owner) => owner.ready > 0 && (ready.get(owner.uid) ?? 0) === 0)
    .map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
}

/** Namespaces that are watched at once, by each lane: of more, nothing is followed, and only looks at intervals tell. */
const followedMax = 8;

/** Calls `wake` for each pod of theirs that is ready. */
export function followOwners(
  ctx: Context,
  client: KubeClient,
  owners: readonly PodOwner[],
  wake: () => void,
): Following {
  const uids = new Set(owners.map((owner) => owner.uid));
  const namespaces = new Set(owners.map((owner) => owner.namespace));
  if (namespaces.size > followedMax) return { alive: () => false, stop: () => undefined };
  const followings = [...namespaces].map((namespace) =>
    follow(
      ctx,
      (inner) => client.watch(inner, pods, { namespace }),
      ({ type, object }) => {
        if (type !== 'BOOKMARK' && uids.has(controllerOf(object)?.uid ?? '') && isServing(object)) wake();
      },
    ),
  );
  return {
    alive: () => followings.every((one) => one.alive()),
    stop: () => {
      for (const one of followings) one.stop();
    },
  };
}

/** 0 when it is gone: nobody misses its pods. */
async function wantedBy(ctx: Context, client: KubeClient, owner: PodOwner): Promise<number> {
  const type = replicated.get(owner.kind);
  if (type === undefined) return 0;
  try {
    const live = await client.get(ctx, type, { namespace: owner.namespace, name: owner.name });
    return live.metadata.uid === owner.uid ? (live.spec?.replicas ?? 1) : 0;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return 0;
    throw error;
  }
}

/** Ready pods by the uid of their controller. */
async function readyPods(
  ctx: Context,
  client: KubeClient,
  owners: readonly { readonly namespace: string }[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const namespace of new Set(owners.map((owner) => owner.namespace))) {
    for (const pod of (await client.listAll(ctx, pods, { namespace })).items) {
      const uid = controllerOf(pod)?.uid;
      if (uid !== undefined && isServing(pod)) counts.set(uid, (counts.get(uid) ?? 0) + 1);
    }
  }
  return counts;
}

function controllerOf(pod: Pod): OwnerReference | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
