/** Annotations that kubectl's rollout history and undo read. */
import type { Deployment, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { desiredReplicas, fenceposts } from './counts.ts';

/** The number of a rollout, on sets and on the Deployment. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
/** Earlier numbers of a set that was rolled back to, comma-separated. */
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
/** The replicas of the Deployment that a set was sized for. */
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
/** The same with the surge: what proportions are computed from. */
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';

/** Never copied from the Deployment to its sets. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
]);
/** About a hundred revisions. */
const historyLengthMax = 2000;

/** The revision of a set; 0 when it has none. */
export function revisionOf(set: ReplicaSet): number {
  const revision = Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** The annotations that the new set must have: the Deployment's, its revision, and the revisions it had before. */
export function newSetAnnotations(
  deployment: Deployment,
  oldSets: readonly ReplicaSet[],
  existing: ReplicaSet | undefined,
): Readonly<Record<string, string>> {
  const annotations: Record<string, string> = { ...existing?.metadata.annotations };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!ownAnnotations.has(key)) annotations[key] = value;
  }
  const next = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  const before = annotations[revisionAnnotation];
  if (existing === undefined || revisionOf(existing) < next) {
    annotations[revisionAnnotation] = String(next);
    if (before !== undefined)
      annotations[revisionHistoryAnnotation] = extendHistory(annotations[revisionHistoryAnnotation], before);
  }
  return existing === undefined ? { ...annotations, ...sizeAnnotations(deployment) } : annotations;
}

function extendHistory(history: string | undefined, revision: string): string {
  const revisions = [...(history === undefined || history === '' ? [] : history.split(',')), revision];
  while (revisions.join(',').length > historyLengthMax) revisions.shift();
  return revisions.join(',');
}

/** What the set was sized for: a difference to the Deployment's replicas is a scaling event. */
export function sizeAnnotations(deployment: Deployment): Readonly<Record<string, string>> {
  const desired = desiredReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(desired),
    [maxReplicasAnnotation]: String(desired + fenceposts(deployment).maxSurge),
  };
}
