/** policy/v1 PodDisruptionBudget, and the one condition that both its controller and the Eviction API write. */
import type { Condition, KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import type { LabelSelector } from './core.ts';

/** What a budget says of its pods. Times are RFC 3339 in whole seconds. */
export interface DisruptionStatus {
  readonly observedGeneration?: number;
  /** Pods by name whose eviction was granted, and when; the controller forgets them once it sees them go. */
  readonly disruptedPods?: Readonly<Record<string, string>>;
  readonly disruptionsAllowed: number;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly expectedPods: number;
  readonly conditions?: readonly Condition[];
}

/** policy/v1 PodDisruptionBudget; percents are texts such as `50%`. */
export interface PodDisruptionBudget extends KubeObject {
  readonly spec?: {
    readonly minAvailable?: number | string;
    readonly maxUnavailable?: number | string;
    readonly selector?: LabelSelector;
    readonly unhealthyPodEvictionPolicy?: 'IfHealthyBudget' | 'AlwaysAllow';
  };
  readonly status?: DisruptionStatus;
}
/** Its type. */
export const podDisruptionBudgets = resourceType<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
  true,
);

const disruptionAllowed = 'DisruptionAllowed';
/** Reason of the condition when the controller could not count: the numbers beside it are old. */
export const syncFailed = 'SyncFailed';

/** The condition DisruptionAllowed, if it is there. */
export function disruptionAllowedCondition(status: DisruptionStatus): Condition | undefined {
  return status.conditions?.find(({ type }) => type === disruptionAllowed);
}

/** `status` with the condition DisruptionAllowed as its number says (component-helpers apps/poddisruptionbudget). `now`: RFC 3339. */
export function withDisruptionAllowed(status: DisruptionStatus, now: string): DisruptionStatus {
  const allowed = status.disruptionsAllowed > 0;
  return withDisruptionCondition(
    status,
    { status: allowed ? 'True' : 'False', reason: allowed ? 'SufficientPods' : 'InsufficientPods', message: '' },
    now,
  );
}

/** `status` with the condition DisruptionAllowed put in; the time of its last change stays while True or False stays. */
export function withDisruptionCondition(
  status: DisruptionStatus,
  wanted: Pick<Condition, 'status' | 'reason' | 'message'>,
  now: string,
): DisruptionStatus {
  const before = disruptionAllowedCondition(status);
  const after: Condition = {
    type: disruptionAllowed,
    status: wanted.status,
    ...(status.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration }),
    lastTransitionTime: before?.status === wanted.status ? before.lastTransitionTime : now,
    reason: wanted.reason,
    message: wanted.message,
  };
  const conditions = status.conditions ?? [];
  return {
    ...status,
    conditions: before === undefined ? [...conditions, after] : conditions.map((one) => (one === before ? after : one)),
  };
}

/** Whether the condition says what the numbers say, for this generation. */
export function isDisruptionAllowedCurrent(status: DisruptionStatus, generation: number): boolean {
  const condition = disruptionAllowedCondition(status);
  if (condition === undefined || (status.observedGeneration ?? 0) !== generation) return false;
  return status.disruptionsAllowed > 0
    ? condition.status === 'True' && condition.reason === 'SufficientPods'
    : condition.status === 'False' && condition.reason === 'InsufficientPods';
}
