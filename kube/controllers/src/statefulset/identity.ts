/** Who a pod of a StatefulSet is: ordinal, name, labels, volumes (kube-controller-manager's stateful_set_utils.go). */
import type { Pod, PodTemplate } from '@polyanthus/kube-kinds/core';
import { statefulSets, type PersistentVolumeClaim, type StatefulSet } from '@polyanthus/kube-kinds/workloads';
import { podFromTemplate } from '../pod-writes.ts';
import { revisionHashLabel } from '../revisions/history.ts';

const nameLabel = 'statefulset.kubernetes.io/pod-name';
const indexLabel = 'apps.kubernetes.io/pod-index';
const namePattern = /^(.*)-([0-9]+)$/;
/** Ordinals are int32. */
const ordinalMax = 2_147_483_647;

interface Volume {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName?: string };
  readonly [more: string]: unknown;
}

/** Pods that the set wants; the API default is 1. */
export const desiredReplicas = (set: StatefulSet): number => set.spec.replicas ?? 1;
/** The first ordinal of the set. */
export const startOrdinal = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;
/** Whether pods come and go one at a time. */
export const isMonotonic = (set: StatefulSet): boolean => set.spec.podManagementPolicy !== 'Parallel';

/** The ordinal of a pod that bears the set's name; undefined when it does not. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const [, parent, digits] = namePattern.exec(pod.metadata.name ?? '') ?? [];
  const ordinal = Number(digits);
  return parent === set.metadata.name && ordinal <= ordinalMax ? ordinal : undefined;
}

/** Whether the ordinal is one that the set wants now. */
export function isWanted(set: StatefulSet, ordinal: number): boolean {
  return ordinal >= startOrdinal(set) && ordinal < startOrdinal(set) + desiredReplicas(set);
}

/** The revision that a pod was made from; empty when it bears none. */
export const revisionOf = (pod: Pod): string => pod.metadata.labels?.[revisionHashLabel] ?? '';

/** The pod of an ordinal as it is to be created, of `template`. */
export function podDraft(set: StatefulSet, template: PodTemplate, ordinal: number, revision: string): Pod {
  const { generateName: _none, ...base } = podFromTemplate(statefulSets, set, template).metadata;
  const spec = { ...template.spec, hostname: podName(set, ordinal), subdomain: set.spec.serviceName ?? '' };
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...base, name: podName(set, ordinal), labels: { ...base.labels, [revisionHashLabel]: revision } },
    spec,
  };
  return withIdentity(set, pod, ordinal);
}

const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name ?? ''}-${ordinal}`;

/** The pod with the labels and volumes that its place gives it; the same object when it has them. */
export function withIdentity(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  const name = podName(set, ordinal);
  const labels = pod.metadata.labels ?? {};
  const named =
    labels[nameLabel] === name
      ? pod
      : {
          ...pod,
          metadata: { ...pod.metadata, labels: { ...labels, [nameLabel]: name, [indexLabel]: String(ordinal) } },
        };
  return hasStorage(set, pod, ordinal)
    ? named
    : { ...named, spec: { ...named.spec, volumes: volumes(set, pod, ordinal) } };
}

function hasStorage(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  const present = (pod.spec['volumes'] ?? []) as readonly Volume[];
  return claimDrafts(set, ordinal).every(({ template, claim }) =>
    present.some(
      ({ name, persistentVolumeClaim }) =>
        name === template && persistentVolumeClaim?.claimName === claim.metadata.name,
    ),
  );
}

/** Volumes of the claims first; a volume of the template with a claim's name gives way. */
function volumes(set: StatefulSet, pod: Pod, ordinal: number): readonly Volume[] {
  const claimed = claimDrafts(set, ordinal).map(({ template, claim }) => ({
    name: template,
    persistentVolumeClaim: { claimName: claim.metadata.name ?? '' },
  }));
  const names = new Set(claimed.map(({ name }) => name));
  const others = ((pod.spec['volumes'] ?? []) as readonly Volume[]).filter(({ name }) => !names.has(name));
  return [...claimed, ...others];
}

/** A claim to create, and the name of its template, which is the name of its volume. */
export interface ClaimDraft {
  readonly template: string;
  readonly claim: PersistentVolumeClaim;
}

/** The claims of an ordinal as they are to be created. */
export function claimDrafts(set: StatefulSet, ordinal: number): readonly ClaimDraft[] {
  return (set.spec.volumeClaimTemplates ?? []).map((one) => {
    const { name: template = '', labels, annotations, finalizers } = one.metadata ?? {};
    const { namespace } = set.metadata;
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `${template}-${set.metadata.name ?? ''}-${ordinal}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels: { ...labels, ...set.spec.selector.matchLabels },
        ...(annotations === undefined ? {} : { annotations }),
        ...(finalizers === undefined ? {} : { finalizers }),
      },
      ...(one.spec === undefined ? {} : { spec: one.spec }),
    };
    return { template, claim };
  });
}
