/** The status of a DaemonSet, from nodes and pods. */
import { isReady } from '@polyanthus/kube-kinds/ready';
import type { DaemonSet } from '@polyanthus/kube-kinds/workloads';
import { availableInMs } from '../pods.ts';
import { withoutZeros } from '../zeros.ts';
import { fitOf, isUpdated } from './placement.ts';
import { byAge, isAvailable, type Round } from './round.ts';

/** The status to write; `observed` is false for a round that only counted, so that nobody takes it for the new generation's. */
export function daemonSetStatus(round: Round, observed: boolean): NonNullable<DaemonSet['status']> {
  const { set, hash, byNode } = round;
  const counts = { desired: 0, current: 0, ready: 0, available: 0, updated: 0, misscheduled: 0 };
  for (const node of round.scope.nodeCache.list()) {
    const [pod] = [...(byNode.get(node.metadata.name ?? '') ?? [])].sort(byAge);
    if (!fitOf(set, node).run) {
      if (pod !== undefined) counts.misscheduled += 1;
      continue;
    }
    counts.desired += 1;
    if (pod === undefined) continue;
    counts.current += 1;
    if (isReady(pod)) counts.ready += 1;
    if (isAvailable(round, pod)) counts.available += 1;
    if (isUpdated(set, pod, hash)) counts.updated += 1;
  }
  const { conditions, observedGeneration = 0, collisionCount } = set.status ?? {};
  return {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    ...withoutZeros({
      updatedNumberScheduled: counts.updated,
      numberAvailable: counts.available,
      numberUnavailable: counts.desired - counts.available,
      observedGeneration: observed ? (set.metadata.generation ?? 0) : observedGeneration,
    }),
    ...(collisionCount === undefined && round.collisionCount === 0 ? {} : { collisionCount: round.collisionCount }),
    ...(conditions === undefined ? {} : { conditions }),
  };
}

/** When the round is to be repeated without any event: a pod becomes available, or a failed one may be replaced. */
export function nextCheckMs({ set, pods, nowMs, waitsMs }: Round): number | undefined {
  const waits = pods.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, nowMs) ?? 0);
  const coming = [...waits, ...waitsMs].filter((wait) => wait > 0);
  return coming.length === 0 ? undefined : Math.min(...coming);
}
