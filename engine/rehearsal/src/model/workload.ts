/** What keeps a number of pods: how it replaces one that goes, and how many are ready. */
import type { FindingObject } from '../finding.ts';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

/** `at-once`: while the old one still ends; `when-gone`: after it, because the name is the same; `never`: it stays lost. */
export type Replacement = 'at-once' | 'when-gone';

/** What a workload is. */
export interface WorkloadFacts {
  readonly uid: string;
  /** The controller of the pods. */
  readonly controller: FindingObject;
  /** What people know it by: the Deployment of a ReplicaSet. */
  readonly shown: FindingObject;
  /** Pods that it wants; undefined where it has no scale. */
  readonly wanted: number | undefined;
  readonly replacement: Replacement;
  /** A StatefulSet that starts a pod only when all before it are ready. */
  readonly ordered: boolean;
  /** Whether pods serve: a Job that loses its pod only begins anew. */
  readonly serves: boolean;
  /** Whether `node-maintenance` waits for its pods to be back. */
  readonly awaited: boolean;
}

/** What a workload has to know of its pods. */
export interface Member {
  readonly object: KubeObject;
}

/** One workload. */
export class Workload<P extends Member = Member> {
  readonly facts: WorkloadFacts;
  /** Pods that are there or will be: those that end are not among them. */
  readonly members = new Set<P>();
  /** Of a StatefulSet: those that ended and are not yet made anew. */
  readonly missing: P[] = [];
  ready = 0;
  /** From being placed to being ready, as its own pods took; undefined: not known. */
  readyMs: number | undefined;

  constructor(facts: WorkloadFacts) {
    this.facts = facts;
  }

  /** Whether it makes another one when it has one less. */
  get lacks(): boolean {
    return this.facts.wanted === undefined || this.members.size < this.facts.wanted;
  }
}

/** `web-3`: 3; other names have none. */
export function ordinalOf(pod: Member): number {
  return Number(/-(\d{1,9})$/.exec(pod.object.metadata.name ?? '')?.[1] ?? -1);
}
