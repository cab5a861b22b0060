/** Pod templates: which set is the new one, and its name. */
import type { Deployment, PodTemplate, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
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
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${canonical(template)}${collisionCount === 0 ? '' : collisionCount}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from(String(hash), (digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`)
    .join(',')}}`;
}
