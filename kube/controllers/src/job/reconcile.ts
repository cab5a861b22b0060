/** One round for one Job (kube-controller-manager's job_controller.go). */
import { unlessGone } from '@polyanthus/kube-client/gone';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { jobs, type Job } from '@polyanthus/kube-kinds/workloads';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { splitKey } from '@polyanthus/kube-runtime/keys';
import { claimCandidates, claimObjects, controllerOf } from '../ownership.ts';
import { changePods } from '../pod-writes.ts';
import { finishedCondition, isTracked, trackingFinalizer } from './job-state.ts';
import { wantedChanges } from './manage.ts';
import { openRound, type JobScope, type Round } from './round.ts';
import { jobView, suspensionChange, type JobView } from './status.ts';
import { verdictOf } from './verdict.ts';

/** Jobs of other controllers name them. */
const ownName = 'kubernetes.io/job-controller';

/** Judges, moves pods, counts what has ended, and lets go of what is counted. */
export async function reconcileJob(ctx: Context, scope: JobScope, key: string): Promise<ReconcileResult | void> {
  const job = scope.jobCache.get(key);
  if (job === undefined) {
    scope.writer.expectations.forget(key);
    return releaseLost(ctx, scope, key);
  }
  if ((job.spec.managedBy ?? ownName) !== ownName) return undefined;
  const mine = await claimPods(ctx, scope, job);
  if (finishedCondition(job) !== undefined) {
    scope.backoffs.delete(job.metadata.uid ?? '');
    return releaseAll(ctx, scope.writer.client, mine);
  }
  const round = openRound(scope, key, job, mine, ctx.clock.now());
  const verdict = verdictOf(round);
  let trouble: unknown;
  try {
    await movePods(ctx, round, verdict === undefined ? wantedChanges(round) : { create: [], remove: round.active });
  } catch (error) {
    trouble = error;
  }
  await settle(ctx, round, jobView(round, verdict));
  if (trouble !== undefined) throw trouble;
  return round.checksMs.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...round.checksMs)) };
}

async function movePods(
  ctx: Context,
  { scope, key, job, settled, done }: Round,
  { create, remove }: { readonly create: readonly Pod[]; readonly remove: readonly Pod[] },
): Promise<void> {
  if (!settled) return;
  await changePods(ctx, scope.writer, { key, owner: job, create, remove });
  done.created += create.length;
  done.removed += remove.length;
  done.removedReady += remove.filter(isReady).length;
}

/** The status first: a finalizer that goes before its pod is counted loses the count. */
async function settle(ctx: Context, round: Round, view: JobView): Promise<void> {
  const { scope, job, backoff } = round;
  const { client, recorder } = scope.writer;
  await commit(ctx, client, jobs, { before: job, after: { ...job, status: view.status } });
  scope.backoffs.set(job.metadata.uid ?? '', backoff);
  const change = view.finished === undefined ? suspensionChange(job) : undefined;
  if (change !== undefined)
    recorder.record(job, 'Normal', change, change === 'Suspended' ? 'Job suspended' : 'Job resumed');
  if (view.finished?.type === 'Complete') recorder.record(job, 'Normal', 'Completed', 'Job completed');
  else if (view.finished !== undefined)
    recorder.record(job, 'Warning', view.finished.reason ?? '', view.finished.message ?? '');
  await releaseAll(ctx, client, view.release);
}

async function claimPods(ctx: Context, scope: JobScope, job: Job): Promise<readonly Pod[]> {
  const matcher = labelSelectorMatcher(job.spec.selector);
  return claimObjects(ctx, {
    client: scope.writer.client,
    ownerType: jobs,
    owner: job,
    type: pods,
    candidates: claimCandidates(scope.podCache, job),
    matches: (labels) => matcher.matches(labels),
  });
}

/** Takes our finalizer off; pods that are gone need none. */
export async function releaseAll(ctx: Context, client: KubeClient, held: readonly Pod[]): Promise<void> {
  const results = await Promise.allSettled(held.filter(isTracked).map((pod) => release(ctx, client, pod)));
  const refused = results.find((result) => result.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
}

async function release(ctx: Context, client: KubeClient, before: Pod): Promise<void> {
  const { finalizers = [], ...rest } = before.metadata;
  const kept = finalizers.filter((one) => one !== trackingFinalizer);
  const metadata = kept.length === 0 ? rest : { ...rest, finalizers: kept };
  await unlessGone(commit(ctx, client, pods, { before, after: { ...before, metadata } }));
}

/** Pods of a Job that is gone wait for nobody. */
async function releaseLost(ctx: Context, scope: JobScope, key: string): Promise<void> {
  const { namespace = '', name } = splitKey(key);
  const lost = scope.podCache.byIndex('byNamespace', namespace).filter((pod) => {
    const owner = controllerOf(pod);
    return isTracked(pod) && owner?.kind === jobs.kind && owner.name === name;
  });
  if (lost.length === 0) return;
  try {
    const live = await scope.writer.client.get(ctx, jobs, { namespace, name });
    // The cache was late: it comes soon, and its own pods are its own.
    await releaseAll(
      ctx,
      scope.writer.client,
      lost.filter((pod) => controllerOf(pod)?.uid !== live.metadata.uid),
    );
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
    await releaseAll(ctx, scope.writer.client, lost);
  }
}
