/** How many of a budget's pods there should be, and how many must stay healthy. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { controllerOf } from '../ownership.ts';
import { disruptionError } from './failure.ts';
import type { ScaleFinder } from './scale.ts';

/** What a budget asks for. */
export interface Expected {
  readonly expectedPods: number;
  readonly desiredHealthy: number;
  /** Names of pods that nobody controls: nobody says how many of them there should be. */
  readonly unmanaged: readonly string[];
}

/** Percents count of what the owners want, not of the pods that are there. Throws when an owner cannot be counted. */
export async function expectedOf(
  ctx: Context,
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  find: ScaleFinder,
): Promise<Expected> {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    const { expectedPods, unmanaged } = await expectedScale(ctx, pods, find);
    const desiredHealthy = Math.max(0, expectedPods - scaled(maxUnavailable, expectedPods));
    return { expectedPods, desiredHealthy, unmanaged };
  }
  if (typeof minAvailable === 'number')
    return { expectedPods: pods.length, desiredHealthy: minAvailable, unmanaged: [] };
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0, unmanaged: [] };
  const { expectedPods, unmanaged } = await expectedScale(ctx, pods, find);
  return { expectedPods, desiredHealthy: scaled(minAvailable, expectedPods), unmanaged };
}

/** A percentage of `total` rounds up: of both kinds of budget that is what the field does. */
function scaled(amount: number | string, total: number): number {
  if (typeof amount === 'number') return amount;
  const percent = /^(-?\d+)%$/.exec(amount)?.[1];
  if (percent === undefined)
    throw disruptionError(
      amount.endsWith('%')
        ? `invalid value for IntOrString: invalid value "${amount}": strconv.Atoi: parsing "${amount.slice(0, -1)}": invalid syntax`
        : 'invalid value for IntOrString: invalid type: string is not a percentage',
    );
  return Math.ceil((Number(percent) * total) / 100);
}

async function expectedScale(
  ctx: Context,
  pods: readonly Pod[],
  find: ScaleFinder,
): Promise<{ readonly expectedPods: number; readonly unmanaged: readonly string[] }> {
  const asked = new Set<string>();
  const replicas = new Map<string, number>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const { name = '', namespace = '' } = pod.metadata;
    const owner = controllerOf(pod);
    if (owner === undefined) {
      unmanaged.push(name);
      continue;
    }
    if (asked.has(owner.uid)) continue;
    const found = find(ctx, owner, namespace);
    // Without a turn of the loop where caches answer: what is counted and what is written then belong together.
    const scale = found instanceof Promise ? await found : found;
    if (scale === undefined) throw disruptionError(`found no controllers for pod "${name}"`);
    asked.add(owner.uid);
    replicas.set(scale.uid, scale.replicas);
  }
  return { expectedPods: [...replicas.values()].reduce((sum, count) => sum + count, 0), unmanaged };
}
