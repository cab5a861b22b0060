/** Where a pod can go: the rules of kube-scheduler that forbid, on the emptiest node first. */
import type { NodeState } from './node.ts';
import { shortages } from './node.ts';
import { taintMiss } from './fit.ts';
import type { PodState } from './pod.ts';

/** Why nodes were no good; how many for each reason, in kube-scheduler's words. */
export type Reasons = ReadonlyMap<string, number>;

export const volumeReason = "node(s) didn't match PersistentVolume's node affinity";
export const cordonReason = 'node(s) were unschedulable';

/** Nodes by load, emptiest first. */
export class NodeOrder {
  readonly #order: NodeState<PodState>[];

  constructor(nodes: readonly NodeState<PodState>[]) {
    this.#order = nodes.toSorted(emptier);
  }

  get nodes(): readonly NodeState<PodState>[] {
    return this.#order;
  }

  /** Carries out a change of the node's load and keeps the order. */
  change(node: NodeState<PodState>, fn: () => void): void {
    this.#order.splice(this.#placeOf(node), 1);
    fn();
    this.#order.splice(this.#placeOf(node), 0, node);
  }

  /** By halving: where it is, or would be. */
  #placeOf(node: NodeState<PodState>): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#order[middle];
      if (other !== undefined && emptier(other, node) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function emptier(one: NodeState<PodState>, other: NodeState<PodState>): number {
  return one.load - other.load || one.index - other.index;
}

/** The emptiest node that fits, or why none does. */
export function placeFor(pod: PodState, order: NodeOrder): NodeState<PodState> | Reasons {
  for (const node of order.nodes) if (misfitOf(pod, node) === undefined) return node;
  const reasons = new Map<string, number>();
  for (const node of order.nodes)
    for (const reason of reasonsOf(pod, node)) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return reasons;
}

function reasonsOf(pod: PodState, node: NodeState<PodState>): readonly string[] {
  const reason = misfitOf(pod, node);
  if (reason !== 'short') return reason === undefined ? [] : [reason];
  return shortages(node, pod.requests).map((name) => (name === 'pods' ? 'Too many pods' : `Insufficient ${name}`));
}

/** The first rule that forbids it, in the order in which kube-scheduler asks; `short`: requests. */
function misfitOf(pod: PodState, node: NodeState<PodState>): string | undefined {
  const { fit, volumes } = pod.rules;
  if (node.cordoned && !fit.toleratesCordon) return cordonReason;
  const verdict = fit.verdicts[node.index];
  if (verdict !== 0)
    return verdict === taintMiss
      ? 'node(s) had untolerated taint(s)'
      : "node(s) didn't match Pod's node affinity/selector";
  if (pod.hostPorts.some((port) => (node.hostPorts.get(port) ?? 0) > 0))
    return "node(s) didn't have free ports for the requested pod ports";
  for (const [name, amount] of pod.requests)
    if (amount > 0 && (node.used.get(name) ?? 0) + amount > (node.allocatable.get(name) ?? 0)) return 'short';
  if (volumes !== undefined && volumes[node.index] !== 1) return volumeReason;
  return spreadMisfit(pod, node) ?? affinityMisfit(pod, node);
}

function spreadMisfit(pod: PodState, node: NodeState<PodState>): string | undefined {
  for (const { group, maxSkew, self } of pod.rules.spread) {
    const answer = group.allows(node, maxSkew, self);
    if (answer === 'skew') return "node(s) didn't match pod topology spread constraints";
    if (answer === 'unlabelled') return "node(s) didn't match pod topology spread constraints (missing required label)";
  }
  return undefined;
}

function affinityMisfit(pod: PodState, node: NodeState<PodState>): string | undefined {
  const { affinity, antiAffinity, counted } = pod.rules;
  for (const counter of affinity) {
    const domain = counter.domainOf(node);
    // The first of a group may go anywhere when it means itself.
    const first = counter.total === 0 && counted.includes(counter);
    if (domain === undefined || ((counter.meant.get(domain) ?? 0) === 0 && !first))
      return "node(s) didn't match pod affinity rules";
  }
  for (const counter of antiAffinity) {
    const domain = counter.domainOf(node);
    if (domain !== undefined && (counter.meant.get(domain) ?? 0) > 0)
      return "node(s) didn't match pod anti-affinity rules";
  }
  for (const counter of counted) {
    const domain = counter.domainOf(node);
    if (domain !== undefined && (counter.holders.get(domain) ?? 0) > 0)
      return "node(s) didn't satisfy existing pods anti-affinity rules";
  }
  return undefined;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
export function reasonsText(reasons: Reasons, nodeCount: number): string {
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).toSorted();
  return `0/${nodeCount} nodes are available: ${parts.join(', ')}.`;
}
