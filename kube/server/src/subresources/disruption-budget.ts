/** What a disruption budget says to an eviction (kube-apiserver pkg/registry/core/pod/storage/eviction.go). */
import {
  disruptionAllowedCondition,
  syncFailed,
  withDisruptionAllowed,
  type DisruptionStatus,
} from '@polyanthus/kube-kinds/disruption';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { labelSelectorMatcher, type LabelSelectorObject } from '@polyanthus/kube-objects/selectors';
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import type { Scope } from '../scope.ts';

/** Evictions that the controller has not confirmed: more are not granted. */
const disruptedPodsMax = 2000;
const violated = "Cannot evict pod as it would violate the pod's disruption budget.";

/** The budgets that select a pod; one whose selector is invalid selects nothing. */
export function budgetsOf(scope: Scope, pod: ApiObject): readonly ApiObject[] {
  return scope.cluster
    .listAll('policy', 'poddisruptionbudgets', scope.namespace)
    .map(parseKept)
    .filter((budget) => selects(budget, pod.metadata.labels));
}

function selects(budget: ApiObject, labels: Readonly<Record<string, string>> | undefined): boolean {
  try {
    return labelSelectorMatcher(objectAt(budget, 'spec')['selector'] as LabelSelectorObject | undefined).matches(
      labels,
    );
  } catch {
    return false;
  }
}

/** Whether a pod that is not ready may go without being counted: it does not serve anybody. */
export function freesUnready(budget: ApiObject): boolean {
  if (textAt(objectAt(budget, 'spec'), 'unhealthyPodEvictionPolicy') === 'AlwaysAllow') return true;
  const { currentHealthy, desiredHealthy } = statusOf(budget);
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

export function isReady(pod: ApiObject): boolean {
  const conditions: readonly JsonObject[] = listAt(objectAt(pod, 'status'), 'conditions');
  return conditions.some((one) => one['type'] === 'Ready' && one['status'] === 'True');
}

function statusOf(budget: ApiObject): DisruptionStatus {
  const status = objectAt(budget, 'status');
  const count = (key: string): number => (typeof status[key] === 'number' ? status[key] : 0);
  return {
    ...(status as unknown as DisruptionStatus),
    disruptionsAllowed: count('disruptionsAllowed'),
    currentHealthy: count('currentHealthy'),
    desiredHealthy: count('desiredHealthy'),
  };
}

/**
 * The budget after one more disruption, of `podName` at `now` (RFC 3339). Throws TooManyRequests when it allows none, and
 * Forbidden when it cannot be right.
 */
export function decremented(budget: ApiObject, podName: string, now: string): ApiObject {
  const status = statusOf(budget);
  const name = budget.metadata.name ?? '';
  if ((status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) throw stillProcessed(name);
  if (status.disruptionsAllowed < 0)
    throw forbids(name, 'pdb disruptions allowed is negative', 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
    throw forbids(
      name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
      'too many pending evictions not confirmed by PDB controller',
    );
  if (status.disruptionsAllowed === 0) throw tooMany(whyNone(name, status));
  const disruptionsAllowed = status.disruptionsAllowed - 1;
  const less = {
    ...status,
    disruptionsAllowed,
    disruptedPods: { ...status.disruptedPods, [podName]: now },
  };
  const after = disruptionsAllowed === 0 ? withDisruptionAllowed(less, now) : less;
  return { ...budget, status: after as unknown as JsonObject };
}

/** 429 that tells the client to come back in ten seconds: the budget's numbers are not those of its spec yet. */
export function stillProcessed(name: string): StatusError {
  return tooMany(`The disruption budget ${name} is still being processed by the server.`, 10);
}

function tooMany(cause: string, retryAfterSeconds?: number): StatusError {
  return statusError('TooManyRequests', violated, {
    causes: [{ reason: 'DisruptionBudget', message: cause }],
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function forbids(name: string, why: string, cause: string): StatusError {
  return statusError('Forbidden', `poddisruptionbudget.policy "${name}" is forbidden: ${why}`, {
    name,
    group: 'policy',
    kind: 'poddisruptionbudget',
    causes: [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${name} does not allow evicting pods currently: ${cause}`,
      },
    ],
  });
}

function whyNone(name: string, status: DisruptionStatus): string {
  const condition = disruptionAllowedCondition(status);
  const told = condition?.status === 'False' && condition.message !== '' ? condition : undefined;
  const start = `The disruption budget ${name} does not allow evicting pods currently`;
  // First: the numbers mean nothing when the controller could not count.
  if (told?.reason === syncFailed) return `${start} because it failed sync: ${told.message}`;
  if (status.currentHealthy <= status.desiredHealthy)
    return `The disruption budget ${name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`;
  return told === undefined ? start : `${start} (${told.reason}): ${told.message}`;
}
