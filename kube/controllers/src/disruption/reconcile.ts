/** One budget: counts its pods and writes what it allows. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Pod } from '@polyanthus/kube-kinds/core';
import {
  podDisruptionBudgets,
  type DisruptionStatus,
  type PodDisruptionBudget,
} from '@polyanthus/kube-kinds/disruption';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import type { ControllerEnv } from '../environment.ts';
import { expectedOf } from './expected.ts';
import type { ScaleFinder } from './scale.ts';
import { selectorOf, selectorText } from './selector.ts';
import { countedStatus, countHealthy, disruptedPods, failedStatus } from './status.ts';

/** What a round reads from and speaks through. */
export interface DisruptionScope {
  readonly env: ControllerEnv;
  readonly budgets: Informer<PodDisruptionBudget>;
  readonly podCache: Informer<Pod>;
  readonly find: ScaleFinder;
  readonly recorder: EventRecorder;
}

/** A count that fails allows nothing; a lost race is counted anew. */
export async function reconcileBudget(
  ctx: Context,
  scope: DisruptionScope,
  key: string,
): Promise<ReconcileResult | undefined> {
  const budget = scope.budgets.get(key);
  if (budget === undefined) return undefined;
  try {
    return await count(ctx, scope, budget);
  } catch (error) {
    if (hasCode(error, 'Conflict') || ctx.signal.aborted) throw error;
    ctx.log.warn('the pods of a disruption budget could not be counted', { key, error });
    const why = error instanceof Error ? error.message : String(error);
    await write(ctx, scope, budget, failedStatus(budget, why, ctx.clock.now()));
    return undefined;
  }
}

async function count(
  ctx: Context,
  scope: DisruptionScope,
  budget: PodDisruptionBudget,
): Promise<ReconcileResult | undefined> {
  const { recorder, podCache } = scope;
  const matches = selectorOf(budget);
  const pods = podCache
    .byIndex('byNamespace', budget.metadata.namespace ?? '')
    .filter((pod) => matches(pod.metadata.labels));
  if (pods.length === 0) recorder.record(budget, 'Normal', 'NoPods', 'No matching pods found');
  const expected = await expectedOf(ctx, budget, pods, scope.find).catch((error: unknown) => {
    recorder.record(
      budget,
      'Warning',
      'CalculateExpectedPodCountFailed',
      `Failed to calculate the number of expected pods: ${error instanceof Error ? error.message : String(error)}`,
    );
    throw error;
  });
  if (expected.unmanaged.length > 0)
    recorder.record(
      budget,
      'Warning',
      'UnmanagedPods',
      `Pods selected by this PodDisruptionBudget (selector: ${selectorText(budget.spec?.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`,
    );
  const nowMs = ctx.clock.now();
  const disrupted = disruptedPods(budget, pods, nowMs);
  for (const pod of disrupted.notDeleted)
    recorder.record(
      pod,
      'Warning',
      'NotDeleted',
      `Pod was expected by PDB ${budget.metadata.namespace ?? ''}/${budget.metadata.name ?? ''} to be deleted but it wasn't`,
    );
  const status = countedStatus(budget, expected, countHealthy(pods, disrupted, nowMs), disrupted, nowMs);
  if (status !== undefined) await write(ctx, scope, budget, status);
  // A moment later than the last one that still counts.
  return disrupted.recheckAtMs === undefined ? undefined : { requeueAfterMs: disrupted.recheckAtMs - nowMs + 1 };
}

/** With the version that was counted: an eviction granted meanwhile must not be forgotten. */
async function write(
  ctx: Context,
  { env }: DisruptionScope,
  budget: PodDisruptionBudget,
  status: DisruptionStatus,
): Promise<void> {
  if (jsonEqual(budget.status, status)) return;
  await env.client.update(ctx, podDisruptionBudgets, { ...budget, status }, { subresource: 'status' });
}
