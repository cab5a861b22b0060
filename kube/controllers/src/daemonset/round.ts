/** Everything that one round of the DaemonSet controller knows. */
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import type { ControllerRevision, DaemonSet } from '@polyanthus/kube-kinds/workloads';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { availableInMs } from '../pods.ts';
import type { PodWriter } from '../pod-writes.ts';
import { revisionHashLabel } from '../revisions/history.ts';
import type { FailedPods } from './failed-pods.ts';
import { targetNode } from './placement.ts';

/** What a round reads from, remembers and speaks through. */
export interface DaemonSetScope {
  readonly writer: PodWriter;
  readonly sets: Informer<DaemonSet>;
  readonly podCache: Informer<Pod>;
  readonly nodeCache: Informer<Node>;
  readonly revisionCache: Informer<ControllerRevision>;
  readonly failedPods: FailedPods;
}

/** State of one round. */
export interface Round {
  readonly scope: DaemonSetScope;
  readonly key: string;
  readonly set: DaemonSet;
  readonly nowMs: number;
  readonly hash: string;
  readonly collisionCount: number;
  /** The set's revisions but for that of its template now. */
  readonly old: readonly ControllerRevision[];
  /** All pods of the set. */
  readonly pods: readonly Pod[];
  /** The same by node, but for those that have ended and are only waiting to be removed. */
  readonly byNode: ReadonlyMap<string, readonly Pod[]>;
  /** Times after which a failed pod may be replaced, by this round. */
  readonly waitsMs: number[];
}

/** Nodes that need a pod, and pods that have to go. */
export interface Changes {
  readonly nodes: readonly string[];
  readonly remove: readonly Pod[];
}

/** Pods by the node that they are meant for. */
export function groupByNode(pods: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    const node = targetNode(pod);
    if (node === undefined || (ended && isTerminating(pod))) continue;
    byNode.set(node, [...(byNode.get(node) ?? []), pod]);
  }
  return byNode;
}

export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
/** Ready for as long as the set wants. */
export const isAvailable = ({ set, nowMs }: Round, pod: Pod): boolean =>
  availableInMs(pod, set.spec.minReadySeconds ?? 0, nowMs) === 0;
/** The hash of the revision that a pod bears. */
export const hashOf = (pod: Pod): string | undefined => pod.metadata.labels?.[revisionHashLabel];

/** Bound before unbound, then by age, then by name. */
export function byAge(a: Pod, b: Pod): number {
  const unbound = (pod: Pod): number => ((pod.spec.nodeName ?? '') === '' ? 1 : 0);
  if (unbound(a) !== unbound(b)) return unbound(a) - unbound(b);
  const age = (pod: Pod): number => parseKubeTime(pod.metadata.creationTimestamp) ?? 0;
  if (age(a) !== age(b)) return age(a) - age(b);
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
