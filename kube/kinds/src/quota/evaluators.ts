/**
 * What an object takes of a quota (kubernetes pkg/quota/v1/evaluator/core, apiserver pkg/quota/v1/generic). Admission
 * charges by it before the object exists, the controller counts by it what exists. Devices of resource claims are not
 * counted, only the claims.
 */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { claimEvaluator } from './claims.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { podEvaluator } from './pods.ts';
import { units } from './resource-list.ts';
import { scopesOf, type ResourceQuota } from './resource-quota.ts';
import { serviceEvaluator } from './services.ts';

/** Old names for counts of some core kinds. */
const aliases: Readonly<Record<string, string>> = {
  configmaps: 'configmaps',
  resourcequotas: 'resourcequotas',
  replicationcontrollers: 'replicationcontrollers',
  secrets: 'secrets',
};

/** Kinds that are not kept, and events: no quota counts them. */
const uncounted: ReadonlySet<string> = new Set([
  'bindings',
  'componentstatuses',
  'events',
  'events.events.k8s.io',
  'tokenreviews.authentication.k8s.io',
  'selfsubjectreviews.authentication.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
]);

const special: Readonly<Record<string, QuotaEvaluator>> = {
  pods: podEvaluator,
  services: serviceEvaluator,
  persistentvolumeclaims: claimEvaluator,
};

/** `deployments.apps`, `pods`. */
const qualified = (group: string, resource: string): string => (group === '' ? resource : `${resource}.${group}`);

/** The evaluator of a kind; undefined for what no quota counts. */
export function quotaEvaluator(group: string, resource: string): QuotaEvaluator | undefined {
  const name = qualified(group, resource);
  if (uncounted.has(name)) return undefined;
  if (group === '' && Object.hasOwn(special, resource)) return special[resource];
  const alias = group === '' ? aliases[resource] : undefined;
  return countEvaluator([`count/${name}`, ...(alias === undefined ? [] : [alias])]);
}

/** The kinds that take from a name, `deployments.apps`, `pods`; none for names that nobody counts. */
export function kindsTaking(name: string): readonly string[] {
  const known = Object.keys(special).filter((resource) => (special[resource]?.matching([name]).length ?? 0) > 0);
  if (known.length > 0) return known;
  const counted = name.startsWith('count/')
    ? name.slice('count/'.length)
    : Object.keys(aliases).find((resource) => aliases[resource] === name);
  return counted === undefined || uncounted.has(counted) ? [] : [counted];
}

function countEvaluator(names: readonly string[]): QuotaEvaluator {
  const usage = Object.fromEntries(names.map((name) => [name, units(1)]));
  return {
    handles: ({ operation, subresource }) => operation === 'CREATE' && subresource === '',
    matching: (wanted) => wanted.filter((name) => names.includes(name)),
    matchesScope: () => false,
    constraint: () => undefined,
    usage: () => usage,
  };
}

/** Whether a quota, by the limits that are in force, counts an object. */
export function counts(quota: ResourceQuota, evaluator: QuotaEvaluator, object: KubeObject): boolean {
  return evaluator.matching(Object.keys(quota.status?.hard ?? {})).length > 0 && inScopes(quota, evaluator, object);
}

/** Whether an object is within all scopes of a quota. */
export function inScopes(quota: ResourceQuota, evaluator: QuotaEvaluator, object: KubeObject): boolean {
  return scopesOf(quota).every((scope) => evaluator.matchesScope(scope, object));
}
