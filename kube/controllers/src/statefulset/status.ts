/** The status of a StatefulSet, from its pods. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { StatefulSet } from '@polyanthus/kube-kinds/workloads';
import { availableInMs } from '../pods.ts';
import { withoutZeros } from '../zeros.ts';
import { desiredReplicas, revisionOf } from './identity.ts';
import { isAvailable, isRunningAndReady, isTerminating, type Round } from './round.ts';

/** The status to write. A rollout that has come to its end makes the update revision the current one. */
export function statefulSetStatus(round: Round): NonNullable<StatefulSet['status']> {
  const pods = podsOf(round);
  const current = round.current.metadata.name ?? '';
  const update = round.update.metadata.name ?? '';
  const living = pods.filter((pod) => !isTerminating(pod)).map(revisionOf);
  const ready = pods.filter(isRunningAndReady);
  const updated = living.filter((revision) => revision === update).length;
  const counts = {
    readyReplicas: ready.length,
    currentReplicas: Math.max(0, living.filter((revision) => revision === current).length - round.replaced),
    updatedReplicas: updated,
  };
  const wanted = desiredReplicas(round.set);
  const complete = updated === wanted && ready.length === wanted && pods.length === wanted;
  const conditions = round.set.status?.conditions;
  return {
    replicas: pods.length,
    availableReplicas: ready.filter((pod) => isAvailable(round, pod)).length,
    ...withoutZeros({
      ...counts,
      ...(complete ? { currentReplicas: updated } : {}),
      observedGeneration: round.set.metadata.generation ?? 0,
    }),
    currentRevision: complete ? update : current,
    updateRevision: update,
    collisionCount: round.collisionCount,
    ...(conditions === undefined ? {} : { conditions }),
  };
}

/** When a pod becomes available without any event, by minReadySeconds; undefined when none does. */
export function availabilityCheckMs(round: Round): number | undefined {
  const waits = podsOf(round)
    .map((pod) => availableInMs(pod, round.set.spec.minReadySeconds ?? 0, round.nowMs))
    .filter((wait) => wait !== undefined && wait > 0) as number[];
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** All pods of the set that exist. */
export function podsOf({ members, condemned }: Round): readonly Pod[] {
  return [...members, ...condemned].flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
}
