/** Pod templates: which set is the new one, and its name. */
import type { Deployment, PodTemplate, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { canonicalJson, fnv1a, safeDigits } from '../hashes.ts';
import { byAge } from './counts.ts';

/** The label that tells the pods of one set from those of another. */
export const templateHashLabel = 'pod-template-hash';

/** The set whose template is the Deployment's; the oldest when there are several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = withoutHash(deployment.spec.template);
  return [...sets]
    .sort(byAge)
    .find((set) => set.spec.template !== undefined && jsonEqual(withoutHash(set.spec.template), wanted));
}

function withoutHash(template: PodTemplate): unknown {
  const { labels, ...metadata } = template.metadata ?? {};
  const { [templateHashLabel]: _hash, ...others } = labels ?? {};
  const kept = Object.entries(metadata).filter(([, value]) => value !== null);
  return { metadata: { ...Object.fromEntries(kept), labels: others }, spec: template.spec };
}

/**
 * FNV-1a of the template's canonical JSON in the alphabet of Kubernetes' names. The same template gives the same name, so
 * that creating a set twice is refused by the API; the digits are not those that kube-controller-manager computes.
 */
export function templateHash(template: PodTemplate, collisionCount: number): string {
  return safeDigits(fnv1a(`${canonicalJson(template)}${collisionCount === 0 ? '' : collisionCount}`));
}
