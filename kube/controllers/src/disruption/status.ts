/** A budget's numbers (kube-controller-manager pkg/controller/disruption). */
import type { Pod } from '@polyanthus/kube-kinds/core';
import {
  isDisruptionAllowedCurrent,
  syncFailed,
  withDisruptionAllowed,
  withDisruptionCondition,
  type DisruptionStatus,
  type PodDisruptionBudget,
} from '@polyanthus/kube-kinds/disruption';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { kubeTime, parseKubeTime } from '@polyanthus/kube-runtime/times';
import type { Expected } from './expected.ts';

/** A granted eviction whose pod is not being deleted after this long has failed: the pod counts again. */
const deletionTimeoutMs = 120_000;

/** Evictions that were granted and are not seen yet. */
export interface Disrupted {
  readonly pods: Readonly<Record<string, string>>;
  /** When the next of them has failed, in milliseconds since the epoch. */
  readonly recheckAtMs: number | undefined;
  readonly notDeleted: readonly Pod[];
}

/** Forgets pods that are gone or going, and those that should have gone long ago. */
export function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): Disrupted {
  const known = budget.status?.disruptedPods ?? {};
  const kept: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let recheckAtMs: number | undefined;
  for (const pod of pods) {
    const { name = '', deletionTimestamp } = pod.metadata;
    const since = Object.hasOwn(known, name) ? known[name] : undefined;
    if (since === undefined || deletionTimestamp !== undefined) continue;
    const endMs = (parseKubeTime(since) ?? 0) + deletionTimeoutMs;
    if (endMs < nowMs) {
      notDeleted.push(pod);
      continue;
    }
    kept[name] = since;
    recheckAtMs = Math.min(recheckAtMs ?? Infinity, endMs);
  }
  return { pods: kept, recheckAtMs, notDeleted };
}

/** Ready, not being deleted, and not about to be. */
export function countHealthy(pods: readonly Pod[], { pods: disrupted }: Disrupted, nowMs: number): number {
  return pods.filter((pod) => {
    if (pod.metadata.deletionTimestamp !== undefined) return false;
    const since = parseKubeTime(disrupted[pod.metadata.name ?? '']);
    return (since === undefined || since + deletionTimeoutMs <= nowMs) && isReady(pod);
  }).length;
}

/** The status after counting; undefined when the budget says it already. */
export function countedStatus(
  budget: PodDisruptionBudget,
  { expectedPods, desiredHealthy }: Expected,
  currentHealthy: number,
  disrupted: Disrupted,
  nowMs: number,
): DisruptionStatus | undefined {
  const generation = budget.metadata.generation ?? 0;
  const spare = currentHealthy - desiredHealthy;
  // A budget without pods allows nothing: its first pods may come before the next count.
  const disruptionsAllowed = expectedPods <= 0 || spare <= 0 ? 0 : spare;
  const numbers = { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods };
  const before = budget.status;
  const { disruptionsAllowed: a, currentHealthy: b, desiredHealthy: c, expectedPods: d } = before ?? numbers;
  if (
    before !== undefined &&
    jsonEqual({ disruptionsAllowed: a, currentHealthy: b, desiredHealthy: c, expectedPods: d }, numbers) &&
    jsonEqual(before.disruptedPods ?? {}, disrupted.pods) &&
    isDisruptionAllowedCurrent(before, generation)
  )
    return undefined;
  const status: DisruptionStatus = {
    ...numbers,
    ...(generation === 0 ? {} : { observedGeneration: generation }),
    ...(Object.keys(disrupted.pods).length === 0 ? {} : { disruptedPods: disrupted.pods }),
    ...(before?.conditions === undefined ? {} : { conditions: before.conditions }),
  };
  return withDisruptionAllowed(status, kubeTime(nowMs));
}

/** The status when counting failed: nothing is allowed, and the condition says why. */
export function failedStatus(budget: PodDisruptionBudget, why: string, nowMs: number): DisruptionStatus {
  const before = budget.status ?? { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  return withDisruptionCondition(
    { ...before, disruptionsAllowed: 0 },
    { status: 'False', reason: syncFailed, message: why },
    kubeTime(nowMs),
  );
}
