/** Arithmetic of rollouts (kube-controller-manager's deployment/util). */
import type { Deployment, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { scaledCount } from '../counts.ts';

/** Pods that the Deployment wants; the API default is 1. */
export const desiredReplicas = (deployment: Deployment): number => deployment.spec.replicas ?? 1;
/** Pods that the set wants; the API default is 1. */
export const sizeOf = (set: ReplicaSet): number => set.spec.replicas ?? 1;
/** Whether the strategy is RollingUpdate, which is the default. */
export const isRolling = (deployment: Deployment): boolean => deployment.spec.strategy?.type !== 'Recreate';

/** The total of one number over sets; what is absent counts as 0. */
export function sum(sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number | undefined): number {
  return sets.reduce((total, set) => total + (value(set) ?? 0), 0);
}

/** The bounds of a rolling update, in pods. */
export interface Fenceposts {
  /** Pods above the desired count at most. */
  readonly maxSurge: number;
  /** Pods below the desired count at most. */
  readonly maxUnavailable: number;
}

/** Both bounds as numbers. Surge rounds up, unavailability down; when both come to zero one pod may be away, else nothing moves. */
export function fenceposts(deployment: Deployment): Fenceposts {
  const desired = desiredReplicas(deployment);
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const rolling = deployment.spec.strategy?.rollingUpdate;
  const maxSurge = scaledCount(rolling?.maxSurge ?? '25%', desired, Math.ceil);
  const maxUnavailable = scaledCount(rolling?.maxUnavailable ?? '25%', desired, Math.floor);
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge, maxUnavailable: Math.min(1, desired) };
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, desired) };
}

/** How large the new set may be now. */
export function newSetSize(deployment: Deployment, oldTotal: number, newSize: number): number {
  const desired = desiredReplicas(deployment);
  if (!isRolling(deployment)) return desired;
  const room = desired + fenceposts(deployment).maxSurge - oldTotal - newSize;
  return room <= 0 ? newSize : newSize + Math.min(room, desired - newSize);
}

/** Oldest first; equal times by name, so that every round decides alike. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return left < right ? -1 : left > right ? 1 : (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
