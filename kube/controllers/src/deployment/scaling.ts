/** What happens when replicas change or the Deployment is paused: sizes change in proportion, no rollout goes on. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Deployment, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { byAge, desiredReplicas, fenceposts, isRolling, sizeOf, sum } from './counts.ts';
import { desiredReplicasAnnotation, maxReplicasAnnotation } from './revision.ts';
import { active, allSets, scaleSet, type Round } from './round.ts';

/** Whether an active set was sized for another number of replicas. */
export function isScalingEvent(round: Round): boolean {
  return active(allSets(round)).some((set) => {
    const desired = set.metadata.annotations?.[desiredReplicasAnnotation];
    return desired !== undefined && Number(desired) !== desiredReplicas(round.deployment);
  });
}

/** Brings the sets to the Deployment's size. */
export async function scale(ctx: Context, round: Round): Promise<void> {
  const desired = desiredReplicas(round.deployment);
  const single = onlyActiveOrLatest(round);
  if (single !== undefined) {
    await scaleSet(ctx, round, single, desired);
    return;
  }
  if (round.newSet !== undefined && isSaturated(round.newSet, desired)) {
    for (const set of active(round.oldSets)) await scaleSet(ctx, round, set, 0);
    return;
  }
  if (!isRolling(round.deployment)) return;
  for (const [set, size] of proportions(round.deployment, active(allSets(round))))
    await scaleSet(ctx, round, set, size, true);
}

function onlyActiveOrLatest(round: Round): ReplicaSet | undefined {
  const running = active(allSets(round));
  if (running.length > 1) return undefined;
  return running[0] ?? round.newSet ?? [...round.oldSets].sort(byAge).at(-1);
}

function isSaturated(set: ReplicaSet, desired: number): boolean {
  return (
    sizeOf(set) === desired &&
    Number(set.metadata.annotations?.[desiredReplicasAnnotation]) === desired &&
    set.status?.availableReplicas === desired
  );
}

/** Larger sets take larger shares; what rounding leaves goes to the largest. */
export function proportions(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): readonly (readonly [ReplicaSet, number])[] {
  const desired = desiredReplicas(deployment);
  const allowed = desired > 0 ? desired + fenceposts(deployment).maxSurge : 0;
  const change = allowed - sum(sets, sizeOf);
  const sorted = [...sets].sort((a, b) => sizeOf(b) - sizeOf(a) || (change > 0 ? byAge(b, a) : byAge(a, b)));
  let given = 0;
  const sizes = sorted.map((set) => {
    const share = shareOf(deployment, set, allowed);
    const part = change > 0 ? Math.min(share, change - given) : Math.max(share, change - given);
    const bounded = change === given ? 0 : part;
    given += bounded;
    return sizeOf(set) + bounded;
  });
  return sorted.map((set, index) => [
    set,
    index === 0 ? Math.max(0, (sizes[0] ?? 0) + change - given) : (sizes[index] ?? 0),
  ]);
}

/** How much the set would grow if the whole Deployment grew in proportion from what the set was sized for. */
function shareOf(deployment: Deployment, set: ReplicaSet, allowed: number): number {
  if (desiredReplicas(deployment) === 0) return -sizeOf(set);
  const annotated = Number(set.metadata.annotations?.[maxReplicasAnnotation] ?? 0);
  const before = Number.isInteger(annotated) && annotated > 0 ? annotated : (deployment.status?.replicas ?? 0);
  return before === 0 ? 0 : Math.round((sizeOf(set) * allowed) / before) - sizeOf(set);
}
