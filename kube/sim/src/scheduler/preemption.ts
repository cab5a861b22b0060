/**
 * Whom a pod that fits nowhere may drive out (kube-scheduler's plugin DefaultPreemption): pods of lower priority, as few and as
 * unimportant as can be, and of those that a budget protects only when nothing else helps.
 */
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import type { PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { judgeNode, type ClusterView, type NodeVerdict } from './feasible.ts';
import { podRequests } from './requests.ts';
import type { Usage } from './usage.ts';

/** A node, and the pods that would have to leave it, the most important first. */
export interface PreemptionCandidate {
  readonly node: string;
  readonly victims: readonly Pod[];
  /** Victims whose budget does not allow it. */
  readonly violations: number;
}

/** What preemption looks at. `usage` is what the view's pods come from; it is as before when a function here has returned. */
export interface PreemptionView extends Omit<ClusterView, 'placed' | 'used'> {
  readonly usage: Usage;
  readonly budgets: readonly PodDisruptionBudget[];
}

/** kube-scheduler looks at no more nodes than these in one attempt, where a cluster has up to a thousand. */
const candidatesMax = 100;

/** Reasons that nobody's leaving changes. */
const unresolvable: ReadonlySet<string> = new Set([
  'node(s) were unschedulable',
  'node(s) had untolerated taint(s)',
  "node(s) didn't match Pod's node affinity/selector",
  "node(s) didn't match pod topology spread constraints (missing required label)",
  "node(s) didn't match pod affinity rules",
]);

/** 0 where nothing says more. */
export const priorityOf = ({ spec }: Pod): number => (typeof spec['priority'] === 'number' ? spec['priority'] : 0);

/** Whether somebody's leaving the node could help. */
export function mightHelp({ reasons }: NodeVerdict): boolean {
  return reasons.length > 0 && !reasons.some((reason) => unresolvable.has(reason));
}

/**
 * Whether the pod may drive out others now: not when its policy is Never, nor while those that it has driven out are still
 * on their way off the node that it was promised.
 */
export function mayPreempt(pod: Pod, verdicts: readonly NodeVerdict[], usage: Usage): boolean {
  if (pod.spec['preemptionPolicy'] === 'Never') return false;
  const promised = nominatedNode(pod);
  const verdict = verdicts.find(({ name }) => name === promised);
  if (verdict === undefined || !mightHelp(verdict)) return true;
  return ![...usage.on(promised)].some((one) => priorityOf(one.pod) < priorityOf(pod) && isLeaving(one.pod));
}

/** `status.nominatedNodeName`; empty where the pod has been promised none. */
export function nominatedNode({ status }: Pod): string {
  const name = (status as Readonly<Record<string, unknown>> | undefined)?.['nominatedNodeName'];
  return typeof name === 'string' ? name : '';
}

function isLeaving({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp === undefined) return false;
  const target = status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return target?.status === 'True' && target['reason'] === 'PreemptionByScheduler';
}

/** Every node that would take the pod if others left, with those others. */
export function preemptionCandidates(
  pod: Pod,
  verdicts: readonly NodeVerdict[],
  view: PreemptionView,
): readonly PreemptionCandidate[] {
  const nodes = new Map(view.nodes.map((node) => [node.metadata.name ?? '', node]));
  const candidates: PreemptionCandidate[] = [];
  for (const verdict of verdicts) {
    const node = nodes.get(verdict.name);
    if (node === undefined || !mightHelp(verdict)) continue;
    const candidate = victimsOn(pod, node, view);
    if (candidate !== undefined) candidates.push(candidate);
    if (candidates.length === candidatesMax) break;
  }
  return candidates;
}

/** The candidate that does the least harm; undefined when there is none. */
export function leastHarm(candidates: readonly PreemptionCandidate[]): PreemptionCandidate | undefined {
  let best: PreemptionCandidate | undefined;
  for (const one of candidates) if (best === undefined || compareHarm(one, best) < 0) best = one;
  return best;
}

/** Below zero when the first does less harm: budgets, the highest priority, their sum, how many, who began last. */
export function compareHarm(one: PreemptionCandidate, other: PreemptionCandidate): number {
  const [a, b] = [harmOf(one), harmOf(other)];
  for (const [index, value] of a.entries()) {
    const against = b[index] ?? 0;
    if (value !== against) return value < against ? -1 : 1;
  }
  return 0;
}

/** So that more pods are a greater sum even where priorities are negative. */
const everyPriority = 2 ** 31;

function harmOf({ victims, violations }: PreemptionCandidate): readonly number[] {
  const highest = Math.max(...victims.map(priorityOf));
  const sum = victims.reduce((total, victim) => total + priorityOf(victim) + everyPriority, 0);
  const beganMs = Math.min(...victims.filter((victim) => priorityOf(victim) === highest).map(startMs));
  return [violations, highest, sum, victims.length, -beganMs];
}

/** A pod that has not started counts as starting now. */
function startMs({ status }: Pod): number {
  const { startTime } = status ?? {};
  return typeof startTime === 'string' ? Date.parse(startTime) : Infinity;
}

function moreImportant(one: Pod, other: Pod): number {
  const byPriority = priorityOf(other) - priorityOf(one);
  if (byPriority !== 0) return byPriority;
  const [a, b] = [startMs(one), startMs(other)];
  return a === b ? 0 : a - b;
}

/** All of lower priority leave; then one after another, those with a budget first, is let stay if the pod still fits. */
function victimsOn(pod: Pod, node: Node, view: PreemptionView): PreemptionCandidate | undefined {
  const { usage } = view;
  const name = node.metadata.name ?? '';
  const below = [...usage.on(name)].map((one) => one.pod).filter((one) => priorityOf(one) < priorityOf(pod));
  if (below.length === 0) return undefined;
  const around: ClusterView = { ...view, placed: usage, used: (of) => usage.of(of) };
  const fits = (): boolean => judgeNode(pod, node, around).reasons.length === 0;
  const remove = (one: Pod): void => usage.release(one.metadata.uid ?? '');
  const putBack = (one: Pod): void => usage.take(one, name, podRequests(one));
  const victims = new Set<Pod>(below);
  for (const one of below) remove(one);
  try {
    if (!fits()) return undefined;
    const sorted = below.toSorted(moreImportant);
    const guarded = violatingPods(sorted, view.budgets);
    for (const one of [...sorted.filter((each) => guarded.has(each)), ...sorted.filter((each) => !guarded.has(each))]) {
      putBack(one);
      if (fits()) victims.delete(one);
      else remove(one);
    }
    const chosen = sorted.filter((one) => victims.has(one));
    return { node: name, victims: chosen, violations: chosen.filter((one) => guarded.has(one)).length };
  } finally {
    for (const one of victims) putBack(one);
  }
}

/** Of these pods, in this order, those that are one too many for a budget of theirs. */
function violatingPods(pods: readonly Pod[], budgets: readonly PodDisruptionBudget[]): ReadonlySet<Pod> {
  const allowances = budgets.map((budget) => {
    const selector = budget.spec?.selector ?? {};
    const matcher = labelSelectorMatcher(selector);
    return { budget, matcher, left: budget.status?.disruptionsAllowed ?? 0 };
  });
  const violates = ({ metadata }: Pod): boolean => {
    const { labels = {}, name = '', namespace } = metadata;
    if (Object.keys(labels).length === 0) return false;
    for (const allowance of allowances) {
      const { budget, matcher } = allowance;
      if (budget.metadata.namespace !== namespace || matcher.requirements.length === 0 || !matcher.matches(labels))
        continue;
      if (budget.status?.disruptedPods?.[name] !== undefined) continue;
      if (--allowance.left < 0) return true;
    }
    return false;
  };
  return new Set(pods.filter(violates));
}
