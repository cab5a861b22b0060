/**
 * Rules of a pod about other pods: topology spread, affinity, anti-affinity, host ports (kube-scheduler's plugins
 * PodTopologySpread, InterPodAffinity and NodePorts). What concerns all nodes is counted once for a pod, not once a node.
 */
import type { LabelSelector, Node, Pod } from '@polyanthus/kube-kinds/core';
import { selectsNode, untoleratedTaint } from '@polyanthus/kube-kinds/placement';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { hostPorts, portsClash } from './host-ports.ts';
import type { PlacedPods } from './placed.ts';

/** What the rules look at. */
export interface Neighbourhood {
  readonly nodes: readonly Node[];
  readonly placed: PlacedPods;
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

/** A pod's rules, ready to be asked about each node. */
export interface NeighbourRules {
  /** In kube-scheduler's words and order; at most one. Host ports are asked before resources, the others after. */
  ports(node: Node): readonly string[];
  others(node: Node): readonly string[];
  /** Matching pods in the domains that the pod would rather not crowd (ScheduleAnyway); the fewer the better. */
  crowding(node: Node): number;
}

interface SpreadConstraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly whenUnsatisfiable: string;
  readonly labelSelector?: LabelSelector;
  readonly minDomains?: number;
  readonly matchLabelKeys?: readonly string[];
  readonly nodeAffinityPolicy?: string;
  readonly nodeTaintsPolicy?: string;
}

interface AffinityTerm {
  readonly topologyKey: string;
  readonly labelSelector?: LabelSelector;
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: LabelSelector;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

type Labels = Readonly<Record<string, string>>;
type Matches = (labels: Labels) => boolean;

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

function termsOf(pod: Pod, kind: 'podAffinity' | 'podAntiAffinity'): readonly AffinityTerm[] {
  const affinity = pod.spec['affinity'] as
    | Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>
    | undefined;
  return (affinity?.[kind]?.[required] as readonly AffinityTerm[] | undefined) ?? [];
}

/** Whether others may be kept away by this pod. */
export function hasAntiAffinity(pod: Pod): boolean {
  return termsOf(pod, 'podAntiAffinity').length > 0;
}

/** Whether a pod that waits may fit when another one is placed. */
export function waitsForNeighbours(pod: Pod): boolean {
  return termsOf(pod, 'podAffinity').length > 0 || constraintsOf(pod).length > 0;
}

const constraintsOf = (pod: Pod): readonly SpreadConstraint[] =>
  (pod.spec['topologySpreadConstraints'] as readonly SpreadConstraint[] | undefined) ?? [];

const labelsOf = ({ metadata }: Pod | Node): Labels => metadata.labels ?? {};

/** A selector that is absent matches nothing; keys take the pod's own values. */
function selector(
  of: Pod,
  wanted: LabelSelector | undefined,
  { match = [], mismatch = [] }: { match?: readonly string[] | undefined; mismatch?: readonly string[] | undefined },
): Matches {
  if (wanted === undefined) return () => false;
  const own = labelsOf(of);
  const keyed = (keys: readonly string[], operator: 'In' | 'NotIn') =>
    keys.filter((key) => own[key] !== undefined).map((key) => ({ key, operator, values: [own[key] ?? ''] }));
  const matcher = labelSelectorMatcher({
    ...wanted,
    matchExpressions: [...(wanted.matchExpressions ?? []), ...keyed(match, 'In'), ...keyed(mismatch, 'NotIn')],
  });
  return (labels) => matcher.matches(labels);
}

/** Prepares the rules of a pod. */
export function neighbourRules(pod: Pod, around: Neighbourhood): NeighbourRules {
  const nodes = new Map(around.nodes.map((node) => [node.metadata.name ?? '', node]));
  const all = constraintsOf(pod);
  const hard = all.filter((one) => one.whenUnsatisfiable !== 'ScheduleAnyway').map((one) => spread(pod, one));
  const soft = all.filter((one) => one.whenUnsatisfiable === 'ScheduleAnyway').map((one) => spread(pod, one));
  countSpread(pod, hard, around, nodes);
  countSpread(pod, soft, around, nodes);
  const affinity = affinityRule(pod, around, nodes);
  const away = antiAffinityRule(pod, around, nodes);
  const kept = keptAwayRule(pod, around, nodes);
  const wanted = hostPorts(pod);
  return {
    ports: (node) =>
      wanted.length > 0 && portsClash(wanted, around.placed.on(node.metadata.name ?? ''))
        ? ["node(s) didn't have free ports for the requested pod ports"]
        : [],
    others: (node) => {
      const why = spreadFault(hard, node) ?? affinity(node) ?? away(node) ?? kept(node);
      return why === undefined ? [] : [why];
    },
    crowding: (node) => soft.reduce((sum, one) => sum + (one.counts.get(labelsOf(node)[one.key] ?? '') ?? 0), 0),
  };
}

interface Spread {
  readonly constraint: SpreadConstraint;
  readonly key: string;
  readonly matches: Matches;
  /** Whether the pod itself counts where it goes. */
  readonly self: number;
  /** Matching pods by domain; a domain without any is there with 0. */
  readonly counts: Map<string, number>;
}

function spread(pod: Pod, constraint: SpreadConstraint): Spread {
  const matches = selector(pod, constraint.labelSelector, { match: constraint.matchLabelKeys });
  return {
    constraint,
    key: constraint.topologyKey,
    matches,
    self: matches(labelsOf(pod)) ? 1 : 0,
    counts: new Map(),
  };
}

/** Only nodes with all keys, and those that the constraint's policies include, make domains and count. */
function countSpread(
  pod: Pod,
  spreads: readonly Spread[],
  around: Neighbourhood,
  nodes: ReadonlyMap<string, Node>,
): void {
  if (spreads.length === 0) return;
  const isComplete = (node: Node): boolean => spreads.every(({ key }) => labelsOf(node)[key] !== undefined);
  for (const node of nodes.values())
    for (const one of isComplete(node) ? spreads : [])
      if (includes(pod, one.constraint, node)) one.counts.set(labelsOf(node)[one.key] ?? '', 0);
  for (const placed of around.placed.inNamespace(pod.metadata.namespace ?? '')) {
    const node = nodes.get(placed.node);
    if (node === undefined || placed.pod.metadata.deletionTimestamp !== undefined || !isComplete(node)) continue;
    for (const one of spreads) {
      if (!one.matches(labelsOf(placed.pod)) || !includes(pod, one.constraint, node)) continue;
      const domain = labelsOf(node)[one.key] ?? '';
      one.counts.set(domain, (one.counts.get(domain) ?? 0) + 1);
    }
  }
}

function includes(pod: Pod, constraint: SpreadConstraint, node: Node): boolean {
  if (constraint.nodeAffinityPolicy !== 'Ignore' && !selectsNode(pod.spec, node)) return false;
  return (
    constraint.nodeTaintsPolicy !== 'Honor' ||
    untoleratedTaint(node.spec?.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute']) === undefined
  );
}

function spreadFault(spreads: readonly Spread[], node: Node): string | undefined {
  for (const { constraint, key, self, counts } of spreads) {
    const domain = labelsOf(node)[key];
    if (domain === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)";
    const least = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
    if ((counts.get(domain) ?? 0) + self - least > constraint.maxSkew)
      return "node(s) didn't match pod topology spread constraints";
  }
  return undefined;
}

interface TermSelectors {
  readonly labels: Matches;
  readonly bySelector: Matches;
}

/** Terms belong to one pod as it was read and never change; every pod that is placed asks those of all that are there. */
const selectorsOfTerm = new WeakMap<AffinityTerm, TermSelectors>();

function termSelectors(of: Pod, term: AffinityTerm): TermSelectors {
  let known = selectorsOfTerm.get(term);
  if (known === undefined) {
    known = {
      labels: selector(of, term.labelSelector, { match: term.matchLabelKeys, mismatch: term.mismatchLabelKeys }),
      bySelector: selector(of, term.namespaceSelector, {}),
    };
    selectorsOfTerm.set(term, known);
  }
  return known;
}

/** Whether a pod is one of those that a term of `of` means. */
function termMatcher(of: Pod, term: AffinityTerm, around: Neighbourhood): (other: Pod) => boolean {
  const { labels, bySelector } = termSelectors(of, term);
  const { namespaces = [], namespaceSelector } = term;
  const own = namespaces.length === 0 && namespaceSelector === undefined;
  return ({ metadata: { namespace = '', labels: given } }) =>
    (own
      ? namespace === (of.metadata.namespace ?? '')
      : namespaces.includes(namespace) || bySelector(around.namespaceLabels(namespace))) && labels(given ?? {});
}

type NodeRule = (node: Node) => string | undefined;

const domainOf = (key: string, value: string): string => `${key}\n${value}`;

/** Counts pairs of topology key and value. */
class Domains {
  readonly #seen = new Set<string>();

  get isEmpty(): boolean {
    return this.#seen.size === 0;
  }

  add(key: string, node: Node | undefined): void {
    const value = node === undefined ? undefined : labelsOf(node)[key];
    if (value !== undefined) this.#seen.add(domainOf(key, value));
  }

  has(key: string, node: Node): boolean {
    const value = labelsOf(node)[key];
    return value !== undefined && this.#seen.has(domainOf(key, value));
  }
}

/** A pod nearby must match all terms; the first of a group may go anywhere, when it would match them itself. */
function affinityRule(pod: Pod, around: Neighbourhood, nodes: ReadonlyMap<string, Node>): NodeRule {
  const terms = termsOf(pod, 'podAffinity');
  if (terms.length === 0) return () => undefined;
  const matchers = terms.map((term) => termMatcher(pod, term, around));
  const matchesAll = (other: Pod): boolean => matchers.every((matches) => matches(other));
  const domains = new Domains();
  for (const placed of around.placed.all())
    if (matchesAll(placed.pod)) for (const { topologyKey } of terms) domains.add(topologyKey, nodes.get(placed.node));
  const isFirst = domains.isEmpty && matchesAll(pod);
  return (node) =>
    terms.every(
      ({ topologyKey }) => labelsOf(node)[topologyKey] !== undefined && (isFirst || domains.has(topologyKey, node)),
    )
      ? undefined
      : "node(s) didn't match pod affinity rules";
}

function antiAffinityRule(pod: Pod, around: Neighbourhood, nodes: ReadonlyMap<string, Node>): NodeRule {
  const terms = termsOf(pod, 'podAntiAffinity');
  if (terms.length === 0) return () => undefined;
  const domains = new Domains();
  for (const term of terms) {
    const matches = termMatcher(pod, term, around);
    for (const placed of around.placed.all())
      if (matches(placed.pod)) domains.add(term.topologyKey, nodes.get(placed.node));
  }
  return (node) =>
    terms.some(({ topologyKey }) => domains.has(topologyKey, node))
      ? "node(s) didn't match pod anti-affinity rules"
      : undefined;
}

/** Pods that are there already keep the new one away from their domains. */
function keptAwayRule(pod: Pod, around: Neighbourhood, nodes: ReadonlyMap<string, Node>): NodeRule {
  const domains = new Domains();
  const keys = new Set<string>();
  for (const placed of around.placed.withAntiAffinity())
    for (const term of termsOf(placed.pod, 'podAntiAffinity')) {
      if (!termMatcher(placed.pod, term, around)(pod)) continue;
      keys.add(term.topologyKey);
      domains.add(term.topologyKey, nodes.get(placed.node));
    }
  return (node) =>
    [...keys].some((key) => domains.has(key, node))
      ? "node(s) didn't satisfy existing pods anti-affinity rules"
      : undefined;
}
