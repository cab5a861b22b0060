/** Keeps as many pods as a ReplicaSet asks for (kube-controller-manager's replica_set.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import { hasCode } from '@polyanthus/ground-base/errors';
import { pods, replicaSets, type Pod, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Expectations } from '@polyanthus/kube-runtime/expectations';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import type { ControllerEnv } from '../environment.ts';
import { claimCandidates, claimObjects, controllerReference } from '../ownership.ts';
import { byDeletionPreference, isPodActive } from '../pods.ts';
import { replicaSetStatus } from './status.ts';

/** Pods created or deleted in one round at most. */
const burstReplicas = 500;
/** Names of a set's pods are cut so that the suffix fits a DNS label. */
const generateNameMax = 58;

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
  if (missing > 0) await createPods(ctx, scope, key, set, Math.min(missing, burstReplicas));
  else if (missing < 0)
    await deletePods(ctx, scope, key, set, byDeletionPreference(active).slice(0, Math.min(-missing, burstReplicas)));
}

/** In doubling batches: when creation is refused (quota, admission), only the first batch has asked in vain. */
async function createPods(
  ctx: Context,
  scope: ReplicaSetScope,
  key: string,
  set: ReplicaSet,
  count: number,
): Promise<void> {
  scope.expectations.expect(key, count, []);
  let left = count;
  for (let batch = 1; left > 0; batch *= 2) {
    const size = Math.min(batch, left);
    const results = await Promise.allSettled(Array.from({ length: size }, () => createPod(ctx, scope, set)));
    left -= size;
    const refused = results.filter((result) => result.status === 'rejected');
    if (refused.length === 0) continue;
    for (let index = 0; index < refused.length + left; index++) scope.expectations.created(key);
    throw refused[0]?.reason;
  }
}

async function createPod(ctx: Context, scope: ReplicaSetScope, set: ReplicaSet): Promise<void> {
  const template = set.spec.template;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const { namespace, name = '' } = set.metadata;
  try {
    const pod = await scope.env.client.create(ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: `${name.slice(0, generateNameMax - 1)}-`,
        ...(namespace === undefined ? {} : { namespace }),
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
        ...(finalizers === undefined ? {} : { finalizers }),
        ownerReferences: [controllerReference(replicaSets, set)],
      },
      spec: template?.spec ?? { containers: [] },
    });
    scope.recorder.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name ?? ''}`);
  } catch (error) {
    scope.recorder.record(set, 'Warning', 'FailedCreate', `Error creating: ${describeError(error)}`);
    throw error;
  }
}

async function deletePods(
  ctx: Context,
  scope: ReplicaSetScope,
  key: string,
  set: ReplicaSet,
  victims: readonly Pod[],
): Promise<void> {
  scope.expectations.expect(
    key,
    0,
    victims.map((pod) => pod.metadata.uid ?? ''),
  );
  const results = await Promise.allSettled(victims.map((pod) => deletePod(ctx, scope, key, set, pod)));
  const refused = results.find((result) => result.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
}

async function deletePod(ctx: Context, scope: ReplicaSetScope, key: string, set: ReplicaSet, pod: Pod): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata;
  try {
    await scope.env.client.delete(ctx, pods, { namespace, name }, { preconditions: { uid } });
    scope.recorder.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  } catch (error) {
    scope.expectations.deleted(key, uid);
    if (hasCode(error, 'NotFound') || hasCode(error, 'Conflict')) return;
    scope.recorder.record(set, 'Warning', 'FailedDelete', `Error deleting: ${describeError(error)}`);
    throw error;
  }
}
