/** The status of a ReplicaSet, from its pods. */
import type { Pod, PodCondition, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { withoutZeros } from '../zeros.ts';
import { availableInMs, isPodActive } from '../pods.ts';

/** A status and when it changes by time alone. */
export interface ReplicaSetView {
  readonly status: NonNullable<ReplicaSet['status']>;
  /** When a pod becomes available without any event, by minReadySeconds. */
  readonly recheckMs: number | undefined;
}

/** Counts the pods; `failure` is what creating or deleting pods met this round. */
export function replicaSetStatus(
  set: ReplicaSet,
  pods: readonly Pod[],
  failure: { readonly reason: string; readonly message: string } | undefined,
  nowMs: number,
): ReplicaSetView {
  const active = pods.filter(isPodActive);
  const labels = Object.entries(set.spec.template?.metadata?.labels ?? {});
  const waits = active.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, nowMs));
  const waiting = waits.filter((wait) => wait !== undefined && wait > 0) as number[];
  const conditions = failureCondition(set.status?.conditions ?? [], failure, nowMs);
  return {
    status: {
      replicas: active.length,
      ...withoutZeros({
        fullyLabeledReplicas: active.filter((pod) =>
          labels.every(([key, value]) => pod.metadata.labels?.[key] === value),
        ).length,
        readyReplicas: active.filter(isReady).length,
        availableReplicas: waits.filter((wait) => wait === 0).length,
        observedGeneration: set.metadata.generation ?? 0,
      }),
      ...(conditions.length === 0 ? {} : { conditions }),
    },
    recheckMs: waiting.length === 0 ? undefined : Math.min(...waiting),
  };
}

function failureCondition(
  conditions: readonly PodCondition[],
  failure: { readonly reason: string; readonly message: string } | undefined,
  nowMs: number,
): readonly PodCondition[] {
  const before = conditions.find((condition) => condition.type === 'ReplicaFailure');
  const others = conditions.filter((condition) => condition !== before);
  if (failure === undefined) return others;
  const since = before?.lastTransitionTime ?? kubeTime(nowMs);
  return [...others, { type: 'ReplicaFailure', status: 'True', ...failure, lastTransitionTime: since }];
}
