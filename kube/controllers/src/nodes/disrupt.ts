/** Taking a pod away for the cluster's reasons: the condition that says why, then the deletion. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { kubeTime } from '@polyanthus/kube-runtime/times';

/** Why a pod goes, and how. */
export interface Disruption {
  /** Of the condition DisruptionTarget; absent: none is set. */
  readonly reason?: string;
  readonly message?: string;
  /** The pod has no kubelet any more: it counts as failed and goes at once. */
  readonly lost?: boolean;
}

/** Deletes this very pod; that it is gone already is as good. */
export async function disruptPod(ctx: Context, client: KubeClient, pod: Pod, why: Disruption): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata;
  const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  try {
    await commit(ctx, client, pods, {
      before: pod,
      after: {
        ...pod,
        status: {
          ...pod.status,
          ...(why.lost === true && !ended ? { phase: 'Failed' } : {}),
          conditions: conditionsOf(pod, why, kubeTime(ctx.clock.now())),
        },
      },
    });
    const grace = why.lost === true ? { gracePeriodSeconds: 0 } : {};
    await client.delete(ctx, pods, { namespace, name }, { ...grace, preconditions: { uid } });
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}

function conditionsOf(pod: Pod, { reason, message = '' }: Disruption, now: string) {
  const before = pod.status?.conditions ?? [];
  if (reason === undefined || before.some(({ type, status }) => type === 'DisruptionTarget' && status === 'True'))
    return before;
  const others = before.filter(({ type }) => type !== 'DisruptionTarget');
  return [...others, { type: 'DisruptionTarget', status: 'True' as const, reason, message, lastTransitionTime: now }];
}
