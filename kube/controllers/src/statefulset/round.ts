/** Everything that one round of the StatefulSet controller knows and has decided. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import type { ControllerRevision, PersistentVolumeClaim, StatefulSet } from '@polyanthus/kube-kinds/workloads';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Expectations } from '@polyanthus/kube-runtime/expectations';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { availableInMs } from '../pods.ts';

/** What a round reads from, remembers and speaks through. */
export interface StatefulSetScope {
  readonly client: KubeClient;
  readonly sets: Informer<StatefulSet>;
  readonly podCache: Informer<Pod>;
  readonly claimCache: Informer<PersistentVolumeClaim>;
  readonly revisionCache: Informer<ControllerRevision>;
  readonly expectations: Expectations;
  readonly recorder: EventRecorder;
}

/** A place of the set: its pod, or what would be created there. */
export interface Member {
  readonly ordinal: number;
  readonly pod: Pod | undefined;
  readonly draft: () => Pod;
}

/** A pod beyond the places of the set. */
export interface Condemned {
  readonly ordinal: number;
  readonly pod: Pod;
}

/** State of one round. */
export interface Round {
  readonly scope: StatefulSetScope;
  readonly key: string;
  readonly set: StatefulSet;
  readonly nowMs: number;
  readonly update: ControllerRevision;
  readonly current: ControllerRevision;
  readonly collisionCount: number;
  /** By ordinal, lowest first. */
  readonly members: readonly Member[];
  /** By ordinal, highest first. */
  readonly condemned: readonly Condemned[];
  /** Deleted in this round to be replaced by the update revision. */
  replaced: number;
}

/** Whether to go on with the next step of the round, or to wait for the cluster. */
export type Progress = 'next' | 'wait';

/** Running and ready. */
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);
/** Ready for as long as the set wants. */
export const isAvailable = (round: Round, pod: Pod): boolean =>
  availableInMs(pod, round.set.spec.minReadySeconds ?? 0, round.nowMs) === 0;
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
/** Not there, not available, or about to go. */
export const isUnavailable = (round: Round, pod: Pod | undefined): boolean =>
  pod === undefined || isTerminating(pod) || !isAvailable(round, pod);

/** Says what became of an action on a pod, in kube-controller-manager's words; passes the failure on. */
export async function told<T>(
  { scope, set }: Round,
  verb: 'Create' | 'Update' | 'Delete',
  pod: Pod,
  action: () => Promise<T>,
): Promise<T> {
  const what = `${verb} Pod ${pod.metadata.name ?? ''} in StatefulSet ${set.metadata.name ?? ''}`;
  try {
    const result = await action();
    scope.recorder.record(set, 'Normal', `Successful${verb}`, `${what} successful`);
    return result;
  } catch (error) {
    if (!hasCode(error, 'Conflict') && !hasCode(error, 'AlreadyExists'))
      scope.recorder.record(set, 'Warning', `Failed${verb}`, `${what} failed error: ${describeError(error)}`);
    throw error;
  }
}

/** Deletes this very pod; that it is gone already is as good. */
export async function deletePod(ctx: Context, round: Round, pod: Pod): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata;
  const { client, expectations } = round.scope;
  expectations.add(round.key, 0, [uid]);
  await told(round, 'Delete', pod, async () => {
    try {
      await client.delete(ctx, pods, { namespace, name }, { preconditions: { uid } });
    } catch (error) {
      expectations.deleted(round.key, uid);
      if (!hasCode(error, 'NotFound')) throw error;
    }
  });
}
