/**
 * A disruption budget while the plan runs, by the rules of the disruption controller (kubernetes pkg/controller/disruption
 * disruption.go: getExpectedPodCount, countHealthyPods) and of the eviction API (pkg/registry/core/pod/storage eviction.go).
 */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { Budget } from './objects.ts';
import { controllerOf, keyOf } from './objects.ts';

/** What the eviction API says. */
export type EvictionAnswer = 'allowed' | 'blocked' | 'overlap';

/** Who scales the pods of a controller (the Deployment of a ReplicaSet), and to what; undefined: it has no scale. */
export type ScaleOf = (controllerUid: string) => { readonly uid: string; readonly replicas: number } | undefined;

/** What a budget has to know of a pod. */
export interface Guarded {
  readonly object: KubeObject;
  readonly ready: boolean;
  /** Not started: the API server lets it go without asking. */
  readonly ignoresBudgets: boolean;
  readonly rules: { readonly budgets: readonly BudgetState[] };
}

/** One budget. */
export class BudgetState {
  readonly object: Budget;
  readonly key: string;
  /** Pods that it counts: all that its selector matches, those that end excepted. */
  readonly pods = new Set<Guarded>();
  healthy = 0;
  desired = 0;
  expected = 0;
  /** Why the disruption controller cannot compute it; it then allows nothing. */
  failure: string | undefined;

  constructor(object: Budget) {
    this.object = object;
    this.key = keyOf(object);
  }

  /** Disruptions that are allowed now. */
  get allowed(): number {
    if (this.failure !== undefined || this.expected <= 0) return 0;
    return Math.max(0, this.healthy - this.desired);
  }

  /** The field that decides. */
  get field(): string {
    return this.object.spec?.maxUnavailable === undefined ? 'spec.minAvailable' : 'spec.maxUnavailable';
  }

  /** Computes what it wants, once the pods of the snapshot are known. `scaleOf`: what a pod's controller is scaled by. */
  settle(scaleOf: ScaleOf): void {
    const { minAvailable, maxUnavailable } = this.object.spec ?? {};
    if (maxUnavailable !== undefined) {
      this.expected = this.#scale(scaleOf);
      this.desired = Math.max(0, this.expected - scaled(maxUnavailable, this.expected));
    } else if (typeof minAvailable === 'number') {
      this.expected = this.pods.size;
      this.desired = minAvailable;
    } else if (minAvailable !== undefined) {
      this.expected = this.#scale(scaleOf);
      this.desired = scaled(minAvailable, this.expected);
    } else {
      // Neither is set: it expects no pods, and so allows nothing.
      this.expected = 0;
      this.desired = 0;
    }
  }

  /** Sum over the controllers of its pods; pods without one count for nothing. */
  #scale(scaleOf: ScaleOf): number {
    const scales = new Map<string, number>();
    for (const pod of this.pods) {
      const owner = controllerOf(pod.object);
      if (owner === undefined) continue;
      const found = scaleOf(owner.uid);
      if (found === undefined) this.failure ??= `found no controllers for pod "${pod.object.metadata.name ?? ''}"`;
      else scales.set(found.uid, found.replicas);
    }
    return [...scales.values()].reduce((sum, one) => sum + one, 0);
  }

  /** In words: what it wants. */
  get wants(): string {
    return `it wants ${this.desired} of ${this.expected} pods healthy`;
  }

  /** In words: what it needs and has. */
  get needs(): string {
    if (this.failure !== undefined) return `it failed sync: ${this.failure}`;
    return `it needs ${this.desired} healthy pods and has ${this.healthy}`;
  }
}

/** `30%` of a total, rounded up, or the number itself. */
function scaled(value: number | string, total: number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d{1,9})%$/.exec(value)?.[1];
  return percent === undefined ? Number(value) || 0 : Math.ceil((Number(percent) * total) / 100);
}

/** What the eviction API says to an eviction now. */
export function answerTo(pod: Guarded): EvictionAnswer {
  const [budget, ...more] = pod.rules.budgets;
  if (budget === undefined || pod.ignoresBudgets) return 'allowed';
  if (more.length > 0) return 'overlap';
  if (!pod.ready) {
    const policy = budget.object.spec?.unhealthyPodEvictionPolicy;
    if (policy === 'AlwaysAllow' || (budget.healthy >= budget.desired && budget.desired > 0)) return 'allowed';
  }
  return budget.allowed > 0 ? 'allowed' : 'blocked';
}
