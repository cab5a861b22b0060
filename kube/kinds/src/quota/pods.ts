/** Pods in quotas: their number, what they ask for, what they may use. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { QuotaEvaluator } from './evaluator.ts';
import { hasPodLevelResources, isBestEffort, podLimits, podRequests, type CostlyPod } from './pod-resources.ts';
import { addResources, readResources, units, type ResourceList } from './resource-list.ts';
import { matchesNames } from './scope-values.ts';
import type { QuotaScope } from './resource-quota.ts';

const count = 'count/pods';
const basic = ['cpu', 'memory', 'ephemeral-storage'];
const names: ReadonlySet<string> = new Set([
  count,
  'pods',
  ...basic,
  ...basic.map((name) => `requests.${name}`),
  ...basic.map((name) => `limits.${name}`),
]);

/** A quota of these makes every container state them. Storage came later and does not. */
const stated: ReadonlySet<string> = new Set(
  ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
);

const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const deviceClass = 'deviceclass.resource.kubernetes.io/';
const isExtended = (name: string): boolean =>
  name.startsWith(deviceClass) || (!isNative(name) && !name.startsWith('requests.'));
const isExtendedQuota = (name: string): boolean =>
  name.startsWith('requests.') && (!isNative(name) || name.startsWith(`requests.${deviceClass}`));

const asPod = (object: KubeObject): CostlyPod => object as CostlyPod;

/** Pods that run for a limited time. */
const isTerminating = (object: KubeObject): boolean => (asPod(object).spec?.activeDeadlineSeconds ?? -1) >= 0;

/** Whether a pod still takes what it asks for: neither ended, nor stuck in a deletion that is over its time. */
export function isPodCharged(object: KubeObject, nowMs: number): boolean {
  const { status, metadata } = asPod(object);
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

/** Whether an update may give something back, or move the pod to another quota. */
export function podUsageChanged(before: KubeObject, after: KubeObject, nowMs: number): boolean {
  if (isTerminating(before) !== isTerminating(after)) return true;
  if (isPodCharged(before, nowMs) && !isPodCharged(after, nowMs)) return true;
  const states = (object: KubeObject): string =>
    JSON.stringify(
      [...(asPod(object).status?.initContainerStatuses ?? []), ...(asPod(object).status?.containerStatuses ?? [])].map(
        ({ name, resources }) => [name, resources ?? null],
      ),
    );
  return states(before) !== states(after);
}

function usageOf(requests: ResourceList, limits: ResourceList): ResourceList {
  const usage: Record<string, ResourceList[string]> = { pods: units(1) };
  for (const [name, quantity] of Object.entries(requests)) {
    if (basic.includes(name) || isHugePages(name)) usage[name] = quantity;
    if (basic.includes(name) || isHugePages(name) || isExtended(name)) usage[`requests.${name}`] = quantity;
  }
  for (const [name, quantity] of Object.entries(limits)) if (basic.includes(name)) usage[`limits.${name}`] = quantity;
  return usage as ResourceList;
}

function missing(required: readonly string[], object: KubeObject): string | undefined {
  const pod = asPod(object);
  if (hasPodLevelResources(pod)) return undefined;
  const without = new Map<string, Set<string>>();
  for (const { name, resources } of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    const said = usageOf(readResources(resources?.requests), readResources(resources?.limits));
    for (const wanted of required)
      if (stated.has(wanted) && !(wanted in said)) without.set(wanted, (without.get(wanted) ?? new Set()).add(name));
  }
  if (without.size === 0) return undefined;
  const parts = [...without.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([wanted, containers]) => `${wanted} for: ${[...containers].toSorted().join(',')}`);
  return `must specify ${parts.join('; ')}`;
}

function matchesScope(scope: QuotaScope, object: KubeObject): boolean {
  const pod = asPod(object);
  const className = pod.spec?.priorityClassName ?? '';
  switch (scope.scopeName) {
    case 'Terminating':
      return isTerminating(pod);
    case 'NotTerminating':
      return !isTerminating(pod);
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'PriorityClass':
      return matchesNames(scope, className === '' ? [] : [className]);
    case 'CrossNamespacePodAffinity':
      return usesOtherNamespaces(pod);
    default:
      return false;
  }
}

interface AffinityTerm {
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: object;
}
interface Affinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly AffinityTerm[];
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly { readonly podAffinityTerm: AffinityTerm }[];
}

function usesOtherNamespaces({ spec }: CostlyPod): boolean {
  const { podAffinity, podAntiAffinity } = (spec?.affinity ?? {}) as {
    readonly podAffinity?: Affinity;
    readonly podAntiAffinity?: Affinity;
  };
  return [podAffinity, podAntiAffinity].some((affinity) =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((one) => one.podAffinityTerm),
    ].some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined),
  );
}

/** How pods count. */
export const podEvaluator: QuotaEvaluator = {
  handles: ({ operation, subresource, object, before }) => {
    if (subresource === 'resize') return operation === 'UPDATE';
    if (subresource !== '') return false;
    return operation === 'CREATE' || (before !== undefined && isTerminating(before) !== isTerminating(object));
  },
  matching: (wanted) =>
    wanted.filter(
      (name) => names.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-') || isExtendedQuota(name),
    ),
  matchesScope,
  constraint: missing,
  // What is stored counts as an object for as long as it is there, whatever has become of it.
  usage: (object, nowMs) =>
    isPodCharged(object, nowMs)
      ? addResources({ [count]: units(1) }, usageOf(podRequests(asPod(object)), podLimits(asPod(object))))
      : { [count]: units(1) },
};
