/** Shapes of the kinds that a rehearsal reads, and how they are found in a snapshot. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { LabelSelector, PodTemplate } from '@polyanthus/kube-kinds/core';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';

/** policy/v1. */
export interface Budget extends KubeObject {
  readonly spec?: {
    readonly selector?: LabelSelector | null;
    readonly minAvailable?: number | string;
    readonly maxUnavailable?: number | string;
    readonly unhealthyPodEvictionPolicy?: 'IfHealthyBudget' | 'AlwaysAllow';
  };
}

/** Anything that keeps a number of pods. */
export interface Scaled extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: PodTemplate;
    readonly podManagementPolicy?: 'OrderedReady' | 'Parallel';
    readonly [more: string]: unknown;
  };
}

export interface NodeTerm {
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
  readonly matchFields?: NodeTerm['matchExpressions'];
}

export interface PersistentVolume extends KubeObject {
  readonly spec?: {
    readonly nodeAffinity?: { readonly required?: { readonly nodeSelectorTerms?: readonly NodeTerm[] } };
  };
}

export interface PersistentVolumeClaim extends KubeObject {
  readonly spec?: { readonly volumeName?: string };
}

/** `spec.affinity`, as far as it forbids. */
export interface PodAffinityTerm {
  readonly labelSelector?: LabelSelector | null;
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: LabelSelector | null;
  readonly topologyKey: string;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

export interface SpreadConstraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly whenUnsatisfiable?: 'DoNotSchedule' | 'ScheduleAnyway';
  readonly labelSelector?: LabelSelector | null;
  readonly minDomains?: number;
  readonly nodeAffinityPolicy?: 'Honor' | 'Ignore';
  readonly nodeTaintsPolicy?: 'Honor' | 'Ignore';
  readonly matchLabelKeys?: readonly string[];
}

/** All objects of a kind, taken to be of its shape; empty where the snapshot has none of it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function objectsOf<T extends KubeObject>(snapshot: Snapshot, group: string, kind: string): readonly T[] {
  return snapshot.resources
    .filter((one) => one.group === group && one.kind === kind)
    .flatMap((one) => one.objects as readonly T[]);
}

/** The controller, of which there is one at most. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** `namespace/name`. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}
