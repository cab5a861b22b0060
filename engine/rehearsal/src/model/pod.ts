/** A pod while the plan runs. Its successor is another one, with the same rules. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { podRequests } from '@polyanthus/kube-sim/scheduler/requests';
import type { BudgetState } from './budget.ts';
import type { Counter } from './counters.ts';
import type { Fit } from './fit.ts';
import { amountsOf, type Amounts, type NodeState } from './node.ts';
import { keyOf } from './objects.ts';
import type { SpreadGroup } from './spread.ts';
import type { Workload } from './workload.ts';

/** Rules of a pod that do not change from one to its successor. */
export interface PodRules {
  readonly fit: Fit;
  /** Nodes where all its volumes can be used; absent: all. */
  readonly volumes: Uint8Array | undefined;
  /** Required affinity to other pods. */
  readonly affinity: readonly Counter[];
  readonly antiAffinity: readonly Counter[];
  /** Affinity counters that count this pod. */
  readonly counted: readonly Counter[];
  readonly spread: readonly { readonly group: SpreadGroup; readonly maxSkew: number; readonly self: 0 | 1 }[];
  /** Spread groups that count this pod. */
  readonly spreadCounted: readonly SpreadGroup[];
  readonly budgets: readonly BudgetState[];
}

export type PodPhase = 'pending' | 'starting' | 'running' | 'terminating' | 'gone';

/** One pod. */
export class PodState {
  readonly key: string;
  readonly object: Pod;
  readonly rules: PodRules;
  readonly requests: Amounts;
  readonly hostPorts: readonly string[];
  readonly workload: Workload<PodState> | undefined;
  /** What it follows; absent for pods of the snapshot. */
  readonly predecessor: PodState | undefined;
  phase: PodPhase = 'pending';
  ready = false;
  node: NodeState<PodState> | undefined;
  /** Since when it waits for a node. */
  pendingSinceMs: number | undefined;

  /** `line`: what it follows, and its name, which is made up where the controller makes one up. */
  constructor(
    object: Pod,
    rules: PodRules,
    workload: Workload<PodState> | undefined,
    line?: { readonly key: string; readonly predecessor: PodState },
  ) {
    const predecessor = line?.predecessor;
    this.key = line?.key ?? keyOf(object);
    this.object = object;
    this.rules = rules;
    this.workload = workload;
    this.predecessor = predecessor;
    this.requests = predecessor?.requests ?? amountsOf(podRequests(object));
    this.hostPorts = predecessor?.hostPorts ?? hostPortsOf(object);
  }

  /** What the API server lets go without asking a budget: not started. */
  get ignoresBudgets(): boolean {
    return this.phase === 'pending' || this.phase === 'starting';
  }
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function hostPortsOf(pod: Pod): readonly string[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap((port) => {
      const { hostPort } = port as { readonly hostPort?: number };
      return hostPort === undefined || hostPort === 0 ? [] : [`${port.protocol ?? 'TCP'}/${hostPort}`];
    }),
  );
}
