/** One round for one Deployment (kube-controller-manager's deployment_controller.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { deployments, replicaSets, type Deployment, type Pod, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import type { ControllerEnv } from '../environment.ts';
import { claimCandidates, claimObjects, controllerOf } from '../ownership.ts';
import { isRolling } from './counts.ts';
import { keepNewSet } from './new-set.ts';
import { revisionAnnotation } from './revision.ts';
import { pruneHistory, rollRecreate, rollRolling } from './rollout.ts';
import type { Round } from './round.ts';
import { isScalingEvent, scale } from './scaling.ts';
import { conditionOf, deploymentStatus, progressCheckInMs, progressDeadlineSeconds, withCondition } from './status.ts';
import { findNewSet } from './template.ts';

/** What a round reads from and speaks through. */
export interface DeploymentScope {
  readonly env: ControllerEnv;
  readonly deploymentCache: Informer<Deployment>;
  readonly sets: Informer<ReplicaSet>;
  readonly podCache: Informer<Pod>;
  readonly recorder: EventRecorder;
}

/** Moves sets one step and writes what the Deployment's status then is. */
export async function reconcileDeployment(
  ctx: Context,
  scope: DeploymentScope,
  key: string,
): Promise<ReconcileResult | void> {
  const deployment = scope.deploymentCache.get(key);
  if (deployment === undefined) return undefined;
  if (Object.keys(deployment.spec.selector).length === 0) {
    scope.recorder.record(
      deployment,
      'Warning',
      'SelectingAll',
      'This deployment is selecting all pods. A non-empty selector is required.',
    );
    return undefined;
  }
  const paused = pauseCondition(deployment, ctx.clock.now());
  if (paused !== undefined) {
    await commit(ctx, scope.env.client, deployments, { before: deployment, after: paused });
    return undefined;
  }
  const round = await openRound(ctx, scope, deployment);
  const rollout = await moveSets(ctx, round);
  return writeDeployment(ctx, round, rollout);
}

async function openRound(ctx: Context, scope: DeploymentScope, deployment: Deployment): Promise<Round> {
  const matcher = labelSelectorMatcher(deployment.spec.selector);
  const mine = await claimObjects(ctx, {
    client: scope.env.client,
    ownerType: deployments,
    owner: deployment,
    type: replicaSets,
    candidates: claimCandidates(scope.sets, deployment),
    matches: (labels) => matcher.matches(labels),
  });
  const newSet = findNewSet(deployment, mine);
  const oldSets = mine.filter((set) => set !== newSet);
  return {
    env: scope.env,
    recorder: scope.recorder,
    deployment,
    newSet,
    oldSets,
    progress: undefined,
    oldPodsRunning: oldSets.some((set) => hasPods(scope, set)),
  };
}

function hasPods(scope: DeploymentScope, set: ReplicaSet): boolean {
  return scope.podCache
    .byIndex('byOwner', set.metadata.uid ?? '')
    .some(
      (pod) => controllerOf(pod) !== undefined && pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded',
    );
}

/** Answers whether a rollout is going on, so that its progress is judged. */
async function moveSets(ctx: Context, round: Round): Promise<boolean> {
  const { deployment } = round;
  if (deployment.metadata.deletionTimestamp !== undefined) return false;
  await keepNewSet(ctx, round);
  if (deployment.spec.paused === true) {
    await scale(ctx, round);
    await pruneHistory(ctx, round);
    return false;
  }
  if (isScalingEvent(round)) {
    await scale(ctx, round);
    return false;
  }
  try {
    await (isRolling(deployment) ? rollRolling : rollRecreate)(ctx, round);
  } catch (error) {
    // A condition that says why is worth its write before the retry.
    if (round.progress !== undefined) await writeDeployment(ctx, round, true);
    throw error;
  }
  return true;
}

/** Status first; the revision follows in the next round, because both are never in one patch. */
async function writeDeployment(ctx: Context, round: Round, rollout: boolean): Promise<ReconcileResult | void> {
  const { deployment, newSet, oldSets, progress, env } = round;
  const nowMs = ctx.clock.now();
  const status = deploymentStatus({ deployment, newSet, oldSets, progress, rollout, nowMs });
  if (!jsonEqual(status, deployment.status)) {
    await commit(ctx, env.client, deployments, { before: deployment, after: { ...deployment, status } });
  } else {
    const revision = newSet?.metadata.annotations?.[revisionAnnotation];
    if (revision !== undefined && revision !== deployment.metadata.annotations?.[revisionAnnotation]) {
      const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
      await commit(ctx, env.client, deployments, {
        before: deployment,
        after: { ...deployment, metadata: { ...deployment.metadata, annotations } },
      });
    }
  }
  const checkInMs = rollout ? progressCheckInMs(deployment, status, nowMs) : undefined;
  return checkInMs === undefined ? undefined : { requeueAfterMs: checkInMs };
}

/** The Deployment with the condition of being paused or resumed; undefined when it has the right one. */
function pauseCondition(deployment: Deployment, nowMs: number): Deployment | undefined {
  if (progressDeadlineSeconds(deployment) === undefined || deployment.metadata.deletionTimestamp !== undefined)
    return undefined;
  const conditions = deployment.status?.conditions ?? [];
  const reason = conditionOf(conditions, 'Progressing')?.reason;
  // A missed deadline stays reported.
  if (reason === 'ProgressDeadlineExceeded') return undefined;
  const paused = deployment.spec.paused === true;
  if (paused === (reason === 'DeploymentPaused')) return undefined;
  const wanted = paused
    ? { type: 'Progressing', status: 'Unknown' as const, reason: 'DeploymentPaused', message: 'Deployment is paused' }
    : {
        type: 'Progressing',
        status: 'Unknown' as const,
        reason: 'DeploymentResumed',
        message: 'Deployment is resumed',
      };
  return { ...deployment, status: { ...deployment.status, conditions: withCondition(conditions, wanted, nowMs) } };
}
