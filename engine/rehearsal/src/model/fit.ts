/** The rules between a pod and a node that do not change while the plan runs: selectors, node affinity, taints. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { selectsNode, untoleratedTaint } from '@polyanthus/kube-kinds/placement';
import type { NodeState } from './node.ts';
import type { NodeTerm } from './objects.ts';

/** By node index: 0 fits, else why not. */
export type Verdicts = Uint8Array;
export const selectorMiss = 1;
export const taintMiss = 2;

/** What pods with the same rules share. */
export interface Fit {
  readonly verdicts: Verdicts;
  /** Nodes that the selectors allow, whatever their taints. */
  readonly selected: Uint8Array;
  readonly toleratesCordon: boolean;
}

const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

/** Judges each set of rules once for all nodes. */
export class Fits {
  readonly #nodes: readonly NodeState[];
  readonly #known = new Map<string, Fit>();
  readonly #volumes = new Map<string, Uint8Array>();

  constructor(nodes: readonly NodeState[]) {
    this.#nodes = nodes;
  }

  of(pod: Pod): Fit {
    const { nodeSelector, tolerations } = pod.spec;
    const nodeAffinity = (pod.spec['affinity'] as { readonly nodeAffinity?: unknown } | undefined)?.nodeAffinity;
    const key = JSON.stringify([nodeSelector, tolerations, nodeAffinity]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const fit = this.#judge(pod);
    this.#known.set(key, fit);
    return fit;
  }

  #judge(pod: Pod): Fit {
    const { tolerations } = pod.spec;
    const selected = Uint8Array.from(this.#nodes, (node) => (selectsNode(pod.spec, node.object) ? 1 : 0));
    const verdicts = Uint8Array.from(this.#nodes, (node, index) => {
      if (selected[index] === 0) return selectorMiss;
      return untoleratedTaint(node.taints, tolerations, ['NoSchedule', 'NoExecute']) === undefined ? 0 : taintMiss;
    });
    const toleratesCordon = untoleratedTaint([cordon], tolerations, ['NoSchedule']) === undefined;
    return { verdicts, selected, toleratesCordon };
  }

  /** Nodes where a volume with this node affinity can be used. */
  ofVolume(terms: readonly NodeTerm[]): Uint8Array {
    const key = JSON.stringify(terms);
    const known = this.#volumes.get(key);
    if (known !== undefined) return known;
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } };
    const spec = { containers: [], affinity: { nodeAffinity: required } };
    const usable = Uint8Array.from(this.#nodes, (node) => (selectsNode(spec, node.object) ? 1 : 0));
    this.#volumes.set(key, usable);
    return usable;
  }
}

/** Nodes where all of them can be used. */
export function allOf(masks: readonly Uint8Array[]): Uint8Array | undefined {
  const [first, ...others] = masks;
  return first?.map((value, index) => (others.every((mask) => mask[index] === 1) ? value : 0));
}
