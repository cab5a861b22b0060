/** Topology spread: how many pods of a group are in each domain, and in the emptiest (kube-scheduler podtopologyspread). */
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { withLabelKeys } from './counters.ts';
import type { Fit } from './fit.ts';
import type { NodeState } from './node.ts';
import type { SpreadConstraint } from './objects.ts';
import { SelectorIndex } from './selector-index.ts';

type Labels = Readonly<Record<string, string>>;

interface GroupRules {
  readonly topologyKey: string;
  /** Keys of all constraints of the pod: a node without one of them is in no domain. */
  readonly keys: readonly string[];
  readonly minDomains: number;
  readonly fit: Fit;
  readonly honorsSelectors: boolean;
  readonly honorsTaints: boolean;
}

/** Pods that one constraint counts together, on the nodes that it looks at. */
export class SpreadGroup {
  readonly rules: GroupRules;
  readonly #nodes: readonly NodeState[];
  readonly #onNode: Int32Array;
  #domains = new Map<string, number>();
  /** How many domains have so many pods. */
  #sizes = new Map<number, number>();
  #smallest = 0;

  constructor(rules: GroupRules, nodes: readonly NodeState[]) {
    this.rules = rules;
    this.#nodes = nodes;
    this.#onNode = new Int32Array(nodes.length);
    this.recount();
  }

  /** After nodes came or went, or were cordoned. */
  recount(): void {
    this.#domains = new Map();
    for (const node of this.#nodes) {
      const domain = this.#domainIn(node);
      if (domain !== undefined)
        this.#domains.set(domain, (this.#domains.get(domain) ?? 0) + (this.#onNode[node.index] ?? 0));
    }
    this.#sizes = new Map();
    for (const size of this.#domains.values()) this.#sizes.set(size, (this.#sizes.get(size) ?? 0) + 1);
    this.#smallest = Math.min(...this.#sizes.keys());
  }

  /** One pod more or less on the node. */
  count(node: NodeState, sign: 1 | -1): void {
    this.#onNode[node.index] = (this.#onNode[node.index] ?? 0) + sign;
    const domain = this.#domainIn(node);
    if (domain === undefined) return;
    const before = this.#domains.get(domain) ?? 0;
    this.#domains.set(domain, before + sign);
    this.#sizes.set(before, (this.#sizes.get(before) ?? 0) - 1);
    this.#sizes.set(before + sign, (this.#sizes.get(before + sign) ?? 0) + 1);
    if (before + sign < this.#smallest) this.#smallest = before + sign;
    while ((this.#sizes.get(this.#smallest) ?? 0) === 0) this.#smallest += 1;
  }

  /** Whether one more pod on the node keeps the skew; `unlabelled`: the node is in no domain. */
  allows(node: NodeState, maxSkew: number, self: 0 | 1): 'yes' | 'skew' | 'unlabelled' {
    const domain = node.labels[this.rules.topologyKey];
    if (domain === undefined || !this.#labelled(node)) return 'unlabelled';
    const least = this.#domains.size < this.rules.minDomains ? 0 : this.#smallest;
    return (this.#domains.get(domain) ?? 0) + self - least > maxSkew ? 'skew' : 'yes';
  }

  #domainIn(node: NodeState): string | undefined {
    const { topologyKey, fit, honorsSelectors, honorsTaints } = this.rules;
    if (!this.#labelled(node) || (honorsSelectors && fit.selected[node.index] === 0)) return undefined;
    if (honorsTaints && (fit.verdicts[node.index] !== 0 || (node.cordoned && !fit.toleratesCordon))) return undefined;
    return node.labels[topologyKey];
  }

  #labelled(node: NodeState): boolean {
    return this.rules.keys.every((key) => node.labels[key] !== undefined);
  }
}

/** All groups of a cluster. */
export class SpreadGroups {
  readonly #known = new Map<string, SpreadGroup>();
  readonly #index = new SelectorIndex<SpreadGroup>();
  readonly #fitNumbers = new Map<Fit, number>();
  readonly #nodes: readonly NodeState[];

  constructor(nodes: readonly NodeState[]) {
    this.#nodes = nodes;
  }

  /** The group of a pod's constraint, and whether it counts the pod itself. Groups are registered before pods are counted. */
  of(
    constraint: SpreadConstraint,
    pod: { readonly namespace: string; readonly labels: Labels; readonly fit: Fit; readonly keys: readonly string[] },
  ): { readonly group: SpreadGroup; readonly self: 0 | 1 } {
    const selector = withLabelKeys(constraint, pod.labels);
    const matcher = labelSelectorMatcher(selector);
    const rules: GroupRules = {
      topologyKey: constraint.topologyKey,
      keys: pod.keys,
      minDomains: constraint.minDomains ?? 1,
      fit: pod.fit,
      honorsSelectors: constraint.nodeAffinityPolicy !== 'Ignore',
      honorsTaints: constraint.nodeTaintsPolicy === 'Honor',
    };
    const self = matcher.matches(pod.labels) ? 1 : 0;
    const { fit: _, ...plain } = rules;
    const key = JSON.stringify([pod.namespace, selector, plain, this.#numberOf(pod.fit)]);
    const known = this.#known.get(key);
    if (known !== undefined) return { group: known, self };
    const group = new SpreadGroup(rules, this.#nodes);
    this.#known.set(key, group);
    this.#index.add(pod.namespace, matcher, group);
    return { group, self };
  }

  /** Groups that count a pod. */
  counting(namespace: string, labels: Labels): readonly SpreadGroup[] {
    return this.#index.find(namespace, labels);
  }

  /** A cordon is a taint for those that honor taints. */
  cordonChanged(): void {
    for (const group of this.#known.values()) if (group.rules.honorsTaints) group.recount();
  }

  #numberOf(fit: Fit): number {
    const known = this.#fitNumbers.get(fit);
    if (known !== undefined) return known;
    this.#fitNumbers.set(fit, this.#fitNumbers.size);
    return this.#fitNumbers.size - 1;
  }
}
