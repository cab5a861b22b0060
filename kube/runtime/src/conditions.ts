/** Conditions in a status (metav1.Condition; apimachinery api/meta/conditions.go). */
import type { Condition } from '@polyanthus/kube-objects/meta';
import { kubeTime } from './times.ts';

/** The condition of this type, if there is one. */
export function findCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition is there and `True`. */
export function isConditionTrue(
  conditions: readonly { readonly type: string; readonly status: string }[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * The list with `wanted` in it. lastTransitionTime is kept unless the status changes, then it is `nowMs`. The very same
 * list comes back when nothing changes.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  wanted: Omit<Condition, 'lastTransitionTime'>,
  nowMs: number,
): readonly Condition[] {
  const before = findCondition(conditions, wanted.type);
  const lastTransitionTime = before?.status === wanted.status ? before.lastTransitionTime : kubeTime(nowMs);
  const after: Condition = { ...wanted, lastTransitionTime };
  if (conditions === undefined || before === undefined) return [...(conditions ?? []), after];
  const same =
    before.reason === after.reason &&
    before.message === after.message &&
    before.status === after.status &&
    before.observedGeneration === after.observedGeneration;
  return same ? conditions : conditions.map((condition) => (condition === before ? after : condition));
}

/** The list without the condition; the same list when it was not there. */
export function removeCondition(conditions: readonly Condition[], type: string): readonly Condition[] {
  return findCondition(conditions, type) === undefined
    ? conditions
    : conditions.filter((condition) => condition.type !== type);
}
