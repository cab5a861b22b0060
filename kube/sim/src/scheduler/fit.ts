/** Whether a pod fits a node, and why not, in kube-scheduler's words. */
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { selectsNode, untoleratedTaint } from '@polyanthus/kube-kinds/placement';
import { quantities, type Requests } from './requests.ts';

/** By node object: a scheduler asks about every node for every pod, and cached objects never change. */
const parsed = new WeakMap<Node, Requests>();

function allocatableOf(node: Node): Requests {
  const known = parsed.get(node);
  if (known !== undefined) return known;
  const allocatable = new Map(quantities(node.status?.allocatable));
  parsed.set(node, allocatable);
  return allocatable;
}

/** What a cordon is to tolerations, with its taint or without. */
const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

/** Why a pod may not run on this node, whatever else is there; empty when it may. */
export function misfits(pod: Pod, node: Node): readonly string[] {
  if (
    node.spec?.unschedulable === true &&
    untoleratedTaint([cordon], pod.spec.tolerations, ['NoSchedule']) !== undefined
  )
    return ['node(s) were unschedulable'];
  if (untoleratedTaint(node.spec?.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute']) !== undefined)
    return ['node(s) had untolerated taint(s)'];
  return selectsNode(pod.spec, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"];
}

/** What of the node is not enough beside what is taken already. */
export function shortages(requests: Requests, node: Node, used: Requests): readonly string[] {
  const allocatable = allocatableOf(node);
  const short: string[] = [];
  for (const [name, wanted] of requests) {
    if (wanted === 0n || (used.get(name) ?? 0n) + wanted <= (allocatable.get(name) ?? 0n)) continue;
    short.push(name === 'pods' ? 'Too many pods' : `Insufficient ${name}`);
  }
  return short;
}

/** Share of the node that would be used, the mean of CPU and memory in [0, 1]; the emptier node wins. */
export function load(requests: Requests, node: Node, used: Requests): number {
  const allocatable = allocatableOf(node);
  const share = (name: string): number => {
    const total = allocatable.get(name) ?? 0n;
    return total === 0n ? 1 : Number((used.get(name) ?? 0n) + (requests.get(name) ?? 0n)) / Number(total);
  };
  // The count of pods last and least, so that pods without requests spread too.
  return (share('cpu') + share('memory')) / 2 + share('pods') / 1000;
}

/** kube-scheduler's message for a pod that fits nowhere. */
export function unschedulableMessage(reasons: readonly (readonly string[])[]): string {
  if (reasons.length === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reason of reasons.flat()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${reasons.length} nodes are available: ${parts.join(', ')}.`;
}
