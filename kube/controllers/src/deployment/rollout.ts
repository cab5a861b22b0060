/** Moves pods from old sets to the new one, within the bounds of the strategy. */
import type { Context } from '@polyanthus/ground-base/context';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { replicaSets, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { byAge, desiredReplicas, fenceposts, newSetSize, sizeOf, sum } from './counts.ts';
import { revisionOf } from './revision.ts';
import { active, allSets, scaleSet, type Round } from './round.ts';
import { ensureNewSet } from './new-set.ts';
import { isComplete } from './status.ts';

/** One step of a rolling update: first up, and when nothing can go up, down. */
export async function rollRolling(ctx: Context, round: Round): Promise<void> {
  await ensureNewSet(ctx, round);
  if (await growNewSet(ctx, round)) return;
  if (await shrinkOldSets(ctx, round)) return;
  if (isComplete(round.deployment, round.deployment.status)) await pruneHistory(ctx, round);
}

/** All old pods go before a new one comes. */
export async function rollRecreate(ctx: Context, round: Round): Promise<void> {
  let scaled = false;
  for (const set of active(round.oldSets)) scaled = (await scaleSet(ctx, round, set, 0)) || scaled;
  if (scaled || round.oldPodsRunning || sum(round.oldSets, (set) => set.status?.replicas) > 0) return;
  await ensureNewSet(ctx, round);
  if (round.newSet !== undefined) await scaleSet(ctx, round, round.newSet, desiredReplicas(round.deployment));
  if (isComplete(round.deployment, round.deployment.status)) await pruneHistory(ctx, round);
}

async function growNewSet(ctx: Context, round: Round): Promise<boolean> {
  const set = round.newSet;
  if (set === undefined) return false;
  const desired = desiredReplicas(round.deployment);
  if (sizeOf(set) === desired) return false;
  const size = sizeOf(set) > desired ? desired : newSetSize(round.deployment, sum(round.oldSets, sizeOf), sizeOf(set));
  return scaleSet(ctx, round, set, size);
}

/**
 * Old pods go as far as availability allows. Pods of the new set that are not available yet count as away already; unhealthy
 * old pods go first, because that costs nothing and lets a stuck rollout be rolled back.
 */
async function shrinkOldSets(ctx: Context, round: Round): Promise<boolean> {
  if (sum(round.oldSets, sizeOf) === 0 || round.newSet === undefined) return false;
  const leastAvailable = desiredReplicas(round.deployment) - fenceposts(round.deployment).maxUnavailable;
  const newUnavailable = sizeOf(round.newSet) - (round.newSet.status?.availableReplicas ?? 0);
  const removable = sum(allSets(round), sizeOf) - leastAvailable - newUnavailable;
  if (removable <= 0) return false;
  const unhealthy = await shrink(ctx, round, removable, (set) => sizeOf(set) - (set.status?.availableReplicas ?? 0));
  const spare = sum(allSets(round), (set) => set.status?.availableReplicas) - leastAvailable;
  const healthy = spare <= 0 ? 0 : await shrink(ctx, round, spare, sizeOf);
  return unhealthy + healthy > 0;
}

/** Takes up to `limit` pods from the old sets, oldest first, from each at most `share`; answers how many. */
async function shrink(ctx: Context, round: Round, limit: number, share: (set: ReplicaSet) => number): Promise<number> {
  let taken = 0;
  for (const set of [...active(round.oldSets)].sort(byAge)) {
    const count = Math.min(limit - taken, share(set), sizeOf(set));
    if (count <= 0) continue;
    await scaleSet(ctx, round, set, sizeOf(set) - count);
    taken += count;
  }
  return taken;
}

/** Keeps the newest revisionHistoryLimit old sets; only empty, settled ones are deleted. */
export async function pruneHistory(ctx: Context, round: Round): Promise<void> {
  const limit = round.deployment.spec.revisionHistoryLimit ?? 10;
  const old = round.oldSets
    .filter((set) => set.metadata.deletionTimestamp === undefined)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  for (const set of old.slice(0, Math.max(0, old.length - limit))) {
    const settled = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0);
    if (sizeOf(set) !== 0 || (set.status?.replicas ?? 0) !== 0 || !settled) continue;
    const { namespace, name = '', uid = '' } = set.metadata;
    await unlessGone(round.env.client.delete(ctx, replicaSets, { namespace, name }, { preconditions: { uid } }));
  }
}
