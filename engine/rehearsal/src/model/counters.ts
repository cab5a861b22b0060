/** How many pods that a term of pod affinity means are in each domain, and how many that have the term. */
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import type { NodeState } from './node.ts';
import type { PodAffinityTerm } from './objects.ts';
import { SelectorIndex } from './selector-index.ts';

type Labels = Readonly<Record<string, string>>;

/** One term, shared by all pods that have it. */
export class Counter {
  readonly topologyKey: string;
  /** Pods that the term means, by domain. */
  readonly meant = new Map<string, number>();
  /** Pods that forbid company by this term, by domain. */
  readonly holders = new Map<string, number>();
  total = 0;

  constructor(topologyKey: string) {
    this.topologyKey = topologyKey;
  }

  domainOf(node: NodeState): string | undefined {
    return node.labels[this.topologyKey];
  }

  count(which: 'meant' | 'holders', node: NodeState, sign: 1 | -1): void {
    if (which === 'meant') this.total += sign;
    const domain = this.domainOf(node);
    if (domain !== undefined) this[which].set(domain, (this[which].get(domain) ?? 0) + sign);
  }
}

/** All terms of a cluster. */
export class Counters {
  readonly #known = new Map<string, Counter>();
  readonly #index = new SelectorIndex<Counter>();
  readonly #namespaces: ReadonlyMap<string, Labels>;

  /** `namespaces`: labels by name. */
  constructor(namespaces: ReadonlyMap<string, Labels>) {
    this.#namespaces = namespaces;
  }

  /** The counter of a term of a pod. Terms are registered for all pods before any pod is counted. */
  of(term: PodAffinityTerm, namespace: string, labels: Labels): Counter {
    const namespaces = this.#namespacesOf(term, namespace);
    const selector = withLabelKeys(term, labels);
    const key = JSON.stringify([term.topologyKey, namespaces, selector]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const counter = new Counter(term.topologyKey);
    this.#known.set(key, counter);
    const matcher = labelSelectorMatcher(selector);
    for (const name of namespaces) this.#index.add(name, matcher, counter);
    return counter;
  }

  /** Terms that mean this pod. */
  meaning(namespace: string, labels: Labels): readonly Counter[] {
    return this.#index.find(namespace, labels);
  }

  #namespacesOf(term: PodAffinityTerm, own: string): readonly string[] {
    const { namespaces = [], namespaceSelector } = term;
    if (namespaceSelector === undefined || namespaceSelector === null)
      return namespaces.length === 0 ? [own] : namespaces;
    const matcher = labelSelectorMatcher(namespaceSelector);
    const selected = [...this.#namespaces].filter(([, labels]) => matcher.matches(labels)).map(([name]) => name);
    return [...new Set([...namespaces, ...selected])];
  }
}

/** The selector with what `matchLabelKeys` takes from the pod's own labels. */
export function withLabelKeys(
  term: Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>,
  labels: Labels,
): PodAffinityTerm['labelSelector'] {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
  if (labelSelector === undefined || labelSelector === null) return labelSelector ?? null;
  const expressions = [
    ...matchLabelKeys.map((key) => ({ key, operator: 'In' as const, values: [labels[key] ?? ''] })),
    ...mismatchLabelKeys.map((key) => ({ key, operator: 'NotIn' as const, values: [labels[key] ?? ''] })),
  ].filter(({ key }) => labels[key] !== undefined);
  if (expressions.length === 0) return labelSelector;
  return { ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...expressions] };
}
