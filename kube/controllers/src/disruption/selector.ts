/** Selectors of budgets. */
import type { LabelSelector } from '@polyanthus/kube-kinds/core';
import type { PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';

type Matches = (labels: Readonly<Record<string, string>> | undefined) => boolean;

/** Of cached objects, which never change. */
const known = new WeakMap<PodDisruptionBudget, Matches>();

/** Whether labels belong to the budget. Throws for a selector that is none. */
export function selectorOf(budget: PodDisruptionBudget): Matches {
  const found = known.get(budget);
  if (found !== undefined) return found;
  const matcher = labelSelectorMatcher(budget.spec?.selector);
  const matches: Matches = (labels) => matcher.matches(labels);
  known.set(budget, matches);
  return matches;
}

/** The same; a selector that is none selects nothing. */
export function selects(budget: PodDisruptionBudget, labels: Readonly<Record<string, string>> | undefined): boolean {
  try {
    return selectorOf(budget)(labels);
  } catch {
    return false;
  }
}

/** As Go prints a LabelSelector: `kubectl describe` shows it in events. */
export function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`)
    .join('');
  const expressions = (selector.matchExpressions ?? [])
    .map(
      ({ key, operator, values = [] }) =>
        `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
    )
    .join('');
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:[]LabelSelectorRequirement{${expressions}},}`;
}
