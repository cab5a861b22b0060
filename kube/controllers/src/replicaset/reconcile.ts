/** Keeps as many pods as a ReplicaSet asks for (kube-controller-manager's replica_set.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import { pods, replicaSets, type Pod, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Expectations } from '@polyanthus/kube-runtime/expectations';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import type { ControllerEnv } from '../environment.ts';
import { claimCandidates, claimObjects } from '../ownership.ts';
import { changePods, podFromTemplate } from '../pod-writes.ts';
import { byDeletionPreference, isPodActive } from '../pods.ts';
import { replicaSetStatus } from './status.ts';

/** What a round reads from, remembers and speaks through. */
export interface ReplicaSetScope {
  readonly env: ControllerEnv;
  readonly sets: Informer<ReplicaSet>;
  readonly podCache: Informer<Pod>;
  readonly expectations: Expectations;
  readonly recorder: EventRecorder;
}

type Failure = { readonly reason: string; readonly message: string };

/** One round for one set: claim, create or delete, count. */
export async function reconcileReplicaSet(
  ctx: Context,
  scope: ReplicaSetScope,
  key: string,
): Promise<ReconcileResult | void> {
  const set = scope.sets.get(key);
  if (set === undefined) {
    scope.expectations.forget(key);
    return undefined;
  }
  const settled = scope.expectations.satisfied(key);
  const mine = await claimPods(ctx, scope, set);
  let failure: Failure | undefined;
  let trouble: unknown;
  if (settled && set.metadata.deletionTimestamp === undefined) {
    try {
      await manage(ctx, scope, key, set, mine.filter(isPodActive));
    } catch (error) {
      trouble = error;
      failure = { reason: hasTooMany(set, mine) ? 'FailedDelete' : 'FailedCreate', message: describeError(error) };
    }
  }
  const view = replicaSetStatus(set, mine, failure, ctx.clock.now());
  await commit(ctx, scope.env.client, replicaSets, { before: set, after: { ...set, status: view.status } });
  if (trouble !== undefined) throw trouble;
  return view.recheckMs === undefined ? undefined : { requeueAfterMs: view.recheckMs };
}

async function claimPods(ctx: Context, scope: ReplicaSetScope, set: ReplicaSet): Promise<readonly Pod[]> {
  const matcher = labelSelectorMatcher(set.spec.selector);
  return claimObjects(ctx, {
    client: scope.env.client,
    ownerType: replicaSets,
    owner: set,
    type: pods,
    candidates: claimCandidates(scope.podCache, set),
    matches: (labels) => matcher.matches(labels),
  });
}

const hasTooMany = (set: ReplicaSet, mine: readonly Pod[]): boolean =>
  mine.filter(isPodActive).length > (set.spec.replicas ?? 1);

async function manage(
  ctx: Context,
  scope: ReplicaSetScope,
  key: string,
  set: ReplicaSet,
  active: readonly Pod[],
): Promise<void> {
  const missing = (set.spec.replicas ?? 1) - active.length;
  const { client } = scope.env;
  await changePods(
    ctx,
    { client, expectations: scope.expectations, recorder: scope.recorder },
    {
      key,
      owner: set,
      create: Array.from({ length: Math.max(0, missing) }, () => podFromTemplate(replicaSets, set, set.spec.template)),
      remove: missing < 0 ? byDeletionPreference(active).slice(0, -missing) : [],
    },
  );
}
