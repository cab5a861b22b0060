/** A pod that was to be disrupted and was not: its condition DisruptionTarget is taken back after a while. */
import type { Context } from '@polyanthus/ground-base/context';
import { pods, type Pod, type PodCondition } from '@polyanthus/kube-kinds/core';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { kubeTime, parseKubeTime } from '@polyanthus/kube-runtime/times';

const staleMs = 120_000;

/** Milliseconds until the condition is stale, 0 when it is; undefined for pods that have none or are going. */
export function staleInMs(pod: Pod, nowMs: number): number | undefined {
  if (pod.metadata.deletionTimestamp !== undefined) return undefined;
  const phase = pod.status?.phase;
  const target = pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  // The kubelet's own may take as long as it likes.
  if (target?.status !== 'True' || target.reason === 'TerminationByKubelet') return undefined;
  if (phase === 'Succeeded' || phase === 'Failed') return undefined;
  return Math.max(0, (parseKubeTime(target.lastTransitionTime) ?? 0) + staleMs - nowMs);
}

/** Sets a stale condition to False. */
export async function clearStale(
  ctx: Context,
  client: KubeClient,
  pod: Pod | undefined,
): Promise<ReconcileResult | undefined> {
  const nowMs = ctx.clock.now();
  const waitMs = pod === undefined ? undefined : staleInMs(pod, nowMs);
  if (pod === undefined || waitMs === undefined) return undefined;
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  const { generation } = pod.metadata;
  const cleared: PodCondition = {
    type: 'DisruptionTarget',
    status: 'False',
    lastTransitionTime: kubeTime(nowMs),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  const conditions = (pod.status?.conditions ?? []).map((one) => (one.type === cleared.type ? cleared : one));
  await commit(ctx, client, pods, { before: pod, after: { ...pod, status: { ...pod.status, conditions } } });
  return undefined;
}
