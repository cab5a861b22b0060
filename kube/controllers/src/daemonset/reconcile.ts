/** One round for one DaemonSet (kube-controller-manager's daemon_controller.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import {
  controllerRevisions,
  daemonSets,
  type ControllerRevision,
  type DaemonSet,
} from '@polyanthus/kube-kinds/workloads';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { claimCandidates, claimObjects } from '../ownership.ts';
import { changePods } from '../pod-writes.ts';
import { dropRevisions, ensureRevision, revisionHashLabel } from '../revisions/history.ts';
import { wantedChanges } from './manage.ts';
import { podDraft } from './placement.ts';
import { rolloutChanges } from './rollout.ts';
import { groupByNode, hashOf, type Changes, type DaemonSetScope, type Round } from './round.ts';
import { daemonSetStatus, nextCheckMs } from './status.ts';

/** In this order; the first that changes pods ends the round, for the caches no longer show what is. */
const steps: readonly ((round: Round) => Changes)[] = [wantedChanges, rolloutChanges];

/** Places pods, moves a rollout one step, writes what the status then is. */
export async function reconcileDaemonSet(
  ctx: Context,
  scope: DaemonSetScope,
  key: string,
): Promise<ReconcileResult | void> {
  const set = scope.sets.get(key);
  if (set === undefined) {
    scope.writer.expectations.forget(key);
    return undefined;
  }
  // Without its revisions, which the collector may have taken already, nothing true can be said about it.
  if (set.metadata.deletionTimestamp !== undefined) return undefined;
  if (Object.keys(set.spec.selector).length === 0) {
    const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
    scope.writer.recorder.record(set, 'Warning', 'SelectingAll', message);
    return undefined;
  }
  const round = await openRound(ctx, scope, key, set);
  const settled = scope.writer.expectations.satisfied(key);
  try {
    if (settled) await run(ctx, round);
  } finally {
    const after = { ...set, status: daemonSetStatus(round, settled) };
    await commit(ctx, scope.writer.client, daemonSets, { before: set, after });
  }
  const checkMs = nextCheckMs(round);
  return checkMs === undefined ? undefined : { requeueAfterMs: checkMs };
}

async function run(ctx: Context, round: Round): Promise<void> {
  const { scope, key, set, hash } = round;
  for (const step of steps) {
    const { nodes, remove } = step(round);
    if (nodes.length + remove.length === 0) continue;
    const create = nodes.map((node) => podDraft(set, node, hash));
    await changePods(ctx, scope.writer, { key, owner: set, create, remove });
    break;
  }
  await pruneHistory(ctx, round);
}

async function openRound(ctx: Context, scope: DaemonSetScope, key: string, set: DaemonSet): Promise<Round> {
  const mine = await claim<Pod>(ctx, scope, set, pods, scope.podCache);
  const revisions = await claim<ControllerRevision>(ctx, scope, set, controllerRevisions, scope.revisionCache);
  const { client } = scope.writer;
  const { revision, collisionCount } = await ensureRevision(ctx, {
    client,
    ownerType: daemonSets,
    owner: set,
    revisions,
  });
  return {
    scope,
    key,
    set,
    nowMs: ctx.clock.now(),
    hash: revision.metadata.labels?.[revisionHashLabel] ?? '',
    collisionCount,
    old: revisions.filter(({ metadata }) => metadata.name !== revision.metadata.name),
    pods: mine,
    byNode: groupByNode(mine),
    waitsMs: [],
  };
}

async function claim<T extends KubeObject>(
  ctx: Context,
  scope: DaemonSetScope,
  set: DaemonSet,
  type: ResourceType<T>,
  cache: Informer<T>,
): Promise<readonly T[]> {
  const matcher = labelSelectorMatcher(set.spec.selector);
  return claimObjects(ctx, {
    client: scope.writer.client,
    ownerType: daemonSets,
    owner: set,
    type,
    candidates: claimCandidates(cache, set),
    matches: (labels) => matcher.matches(labels),
  });
}

/** Keeps revisionHistoryLimit earlier revisions, and those that pods still bear. */
async function pruneHistory(ctx: Context, { scope, set, old, pods: mine }: Round): Promise<void> {
  const living = new Set(mine.map(hashOf));
  const idle = old.filter(({ metadata }) => !living.has(metadata.labels?.[revisionHashLabel]));
  await dropRevisions(ctx, scope.writer.client, idle, old.length - (set.spec.revisionHistoryLimit ?? 10));
}
