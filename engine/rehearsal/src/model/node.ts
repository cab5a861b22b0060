/** A node while the plan runs: what is taken of it, and whether it takes pods. */
import type { Node, Taint } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { quantities } from '@polyanthus/kube-sim/scheduler/requests';

/** Taint that the node controller gives a cordoned node; the cordon itself is what counts here. */
const cordonTaint = 'node.kubernetes.io/unschedulable';
const nanoPerUnit = 1_000_000_000n;

/** Amounts by resource name, exact: nanos of CPU, whole units of everything else. */
export type Amounts = ReadonlyMap<string, number>;

/** From the scheduler's exact numbers to ones that add up fast: a cluster's CPU in nanos is below 2^53. */
export function amountsOf(requests: Iterable<readonly [string, bigint]>): Amounts {
  const amounts = new Map<string, number>();
  for (const [name, nano] of requests)
    amounts.set(name, name === 'cpu' ? Number(nano) : Number((nano + nanoPerUnit - 1n) / nanoPerUnit));
  return amounts;
}

/** What a node has to know of a pod on it. */
export interface Occupant {
  readonly requests: Amounts;
  readonly hostPorts: readonly string[];
}

/** One node. */
export class NodeState<P extends Occupant = Occupant> {
  readonly index: number;
  readonly name: string;
  readonly object: Node;
  /** Without the one of the cordon. */
  readonly taints: readonly Taint[];
  readonly labels: Readonly<Record<string, string>>;
  readonly allocatable: Amounts;
  readonly used = new Map<string, number>();
  readonly pods = new Set<P>();
  readonly hostPorts = new Map<string, number>();
  cordoned: boolean;
  /** Share that is used: the mean of CPU and memory, as kube/sim ranks nodes. */
  load = 0;

  constructor(index: number, object: Node) {
    this.index = index;
    this.object = object;
    this.name = object.metadata.name ?? '';
    this.labels = object.metadata.labels ?? {};
    this.cordoned = object.spec?.unschedulable === true;
    this.taints = (object.spec?.taints ?? []).filter((taint) => taint.key !== cordonTaint);
    this.allocatable = amountsOf(quantities(object.status?.allocatable));
  }

  /** Ready by its own word. */
  get ready(): boolean {
    return isReady(this.object);
  }

  take(pod: P): void {
    this.pods.add(pod);
    this.#count(pod, 1);
  }

  release(pod: P): void {
    this.pods.delete(pod);
    this.#count(pod, -1);
  }

  #count(pod: P, sign: 1 | -1): void {
    for (const [name, amount] of pod.requests) this.used.set(name, (this.used.get(name) ?? 0) + sign * amount);
    for (const port of pod.hostPorts) this.hostPorts.set(port, (this.hostPorts.get(port) ?? 0) + sign);
    this.load = (this.#share('cpu') + this.#share('memory')) / 2 + this.#share('pods') / 1000;
  }

  #share(name: string): number {
    const total = this.allocatable.get(name) ?? 0;
    return total === 0 ? 1 : (this.used.get(name) ?? 0) / total;
  }
}

/** Names of what is short for these requests; empty when there is room. */
export function shortages(node: NodeState, requests: Amounts): readonly string[] {
  const short: string[] = [];
  for (const [name, amount] of requests)
    if (amount > 0 && (node.used.get(name) ?? 0) + amount > (node.allocatable.get(name) ?? 0)) short.push(name);
  return short;
}
