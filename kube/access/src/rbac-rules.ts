/** When one rule allows a request, and when a set of rules covers another (kube rbac/v1 evaluation_helpers, policy_comparator). */
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import type { Attributes } from './user.ts';

const has = (list: readonly string[] | undefined, value: string): boolean => list !== undefined && list.includes(value);
const hasOrAll = (list: readonly string[] | undefined, value: string): boolean => has(list, '*') || has(list, value);

/** Whether the rule allows it. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!hasOrAll(rule.verbs, attributes.verb)) return false;
  if (attributes.kind === 'nonResource')
    return (rule.nonResourceURLs ?? []).some((pattern) => urlMatches(pattern, attributes.path));
  if (!hasOrAll(rule.apiGroups, attributes.group)) return false;
  if (!resourceMatches(rule.resources, attributes.resource, attributes.subresource)) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || (attributes.name !== '' && names.includes(attributes.name));
}

/** `*`, `pods`, `pods/log`, and any subresource of that name by `*` + `/log`. */
function resourceMatches(rules: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (has(rules, '*')) return true;
  if (subresource === '') return has(rules, resource);
  return has(rules, `${resource}/${subresource}`) || has(rules, `*/${subresource}`);
}

/** `*`, the path itself, or a prefix that ends in `*`. */
function urlMatches(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

/** What of `wanted` no rule of `owned` covers; empty when all of it is covered. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(breakDown).filter((single) => !owned.some((rule) => covers(rule, single)));
}

/** Rules with one verb, one group, one resource and at most one name each, or one verb and one URL. */
function breakDown(rule: PolicyRule): readonly PolicyRule[] {
  const out: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const names = rule.resourceNames ?? [];
        const base = { verbs: [verb], apiGroups: [group], resources: [resource] };
        out.push(...(names.length === 0 ? [base] : names.map((name) => ({ ...base, resourceNames: [name] }))));
      }
    }
    out.push(...(rule.nonResourceURLs ?? []).map((url) => ({ verbs: [verb], nonResourceURLs: [url] })));
  }
  return out;
}

function covers(owned: PolicyRule, single: PolicyRule): boolean {
  if (!hasOrAll(owned.verbs, single.verbs[0] ?? '')) return false;
  const url = single.nonResourceURLs?.[0];
  if (url !== undefined) return (owned.nonResourceURLs ?? []).some((pattern) => urlMatches(pattern, url));
  const [resource = '', subresource = ''] = (single.resources?.[0] ?? '').split('/');
  const names = owned.resourceNames ?? [];
  const name = single.resourceNames?.[0];
  return (
    hasOrAll(owned.apiGroups, single.apiGroups?.[0] ?? '') &&
    resourceMatches(owned.resources, resource, subresource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

/** A rule in the form that kube-apiserver prints in its refusals. */
export function describeRule(rule: PolicyRule): string {
  const list = (name: string, values: readonly string[] | undefined): string =>
    values === undefined || values.length === 0
      ? ''
      : `${name}:[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
  const parts = [
    list('APIGroups', rule.apiGroups),
    list('Resources', rule.resources),
    list('ResourceNames', rule.resourceNames),
    list('NonResourceURLs', rule.nonResourceURLs),
    list('Verbs', rule.verbs),
  ];
  return `{${parts.filter((part) => part !== '').join(', ')}}`;
}
