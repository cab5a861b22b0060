/** All nodes that a pod fits, and why it does not fit the others. Pure: schedulers, planners and tests ask alike. */
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { load, misfits, shortages } from './fit.ts';
import { neighbourRules } from './neighbours.ts';
import type { PlacedPods } from './placed.ts';
import { podRequests, type Requests } from './requests.ts';

/** What is where. */
export interface ClusterView {
  readonly nodes: readonly Node[];
  readonly placed: PlacedPods;
  /** What is taken of a node. */
  readonly used: (node: string) => Requests;
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

/** One node, as the scheduler judges it for one pod. */
export interface NodeVerdict {
  readonly name: string;
  /** Why it does not fit, in kube-scheduler's words; empty when it does. */
  readonly reasons: readonly string[];
  /** Compared in order, the lower wins: pods that ScheduleAnyway constraints would avoid, then how full it would be. */
  readonly crowding: number;
  readonly load: number;
}

/** Judges every node; the rules stop at the first that fails, in kube-scheduler's order. */
export function judgeNodes(pod: Pod, view: ClusterView): readonly NodeVerdict[] {
  return view.nodes.map(judgeOf(pod, view));
}

/** Judges one node of the view. */
export function judgeNode(pod: Pod, node: Node, view: ClusterView): NodeVerdict {
  return judgeOf(pod, view)(node);
}

/** What concerns all nodes is worked out once. */
function judgeOf(pod: Pod, view: ClusterView): (node: Node) => NodeVerdict {
  const requests = podRequests(pod);
  const rules = neighbourRules(pod, view);
  return (node) => {
    const name = node.metadata.name ?? '';
    const used = view.used(name);
    const checks = [
      () => misfits(pod, node),
      () => rules.ports(node),
      () => shortages(requests, node, used),
      () => rules.others(node),
    ];
    let reasons: readonly string[] = [];
    for (const check of checks) if (reasons.length === 0) reasons = check();
    const fits = reasons.length === 0;
    return {
      name,
      reasons,
      crowding: fits ? rules.crowding(node) : 0,
      load: fits ? load(requests, node, used) : 0,
    };
  };
}

/** The best of those that fit; undefined when none does. */
export function bestNode(verdicts: readonly NodeVerdict[]): string | undefined {
  let best: NodeVerdict | undefined;
  for (const one of verdicts) if (one.reasons.length === 0 && (best === undefined || order(one, best) < 0)) best = one;
  return best?.name;
}

const order = (a: NodeVerdict, b: NodeVerdict): number =>
  a.crowding - b.crowding || a.load - b.load || (a.name < b.name ? -1 : 1);
