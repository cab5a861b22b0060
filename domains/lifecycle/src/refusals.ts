/** Since when budgets refuse the pods of a node: kept with the step, so that whoever goes on with a drain goes on counting. */
import type { Context } from '@polyanthus/ground-base/context';
import type { RefusedPod } from '@polyanthus/engine-drain/drain';
import type { StepScope } from '@polyanthus/engine-runbook/runbook';
import { kubeMicroTime, parseKubeTime } from '@polyanthus/kube-runtime/times';

/** In `StepScope.kept`. */
interface KeptRefusals {
  /** By the pod's uid. */
  readonly refusedSince?: Readonly<Record<string, string>>;
}

/**
 * Tells of a pod how long it has been refused by now, milliseconds. Within one executor by its monotonic clock; what earlier
 * ones waited is told by the wall clock alone.
 */
export function refusalsOf(ctx: Context, scope: StepScope): (refused: RefusedPod) => Promise<number> {
  const since: Record<string, string> = { ...keptOf(scope).refusedSince };
  const nowMs = ctx.clock.now();
  const earlierMs = new Map(
    Object.entries(since).map(([uid, at]) => [uid, Math.max(0, nowMs - (parseKubeTime(at) ?? nowMs))]),
  );
  return async ({ uid, waitedMs }) => {
    if (since[uid] === undefined) {
      since[uid] = kubeMicroTime(ctx.clock.now() - waitedMs);
      await scope.keep({ ...keptOf(scope), refusedSince: { ...since } });
    }
    return (earlierMs.get(uid) ?? 0) + waitedMs;
  };
}

const keptOf = (scope: StepScope): KeptRefusals => (scope.kept() ?? {}) as KeptRefusals;
