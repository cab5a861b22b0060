/** One round for one StatefulSet (kube-controller-manager's stateful_set_control.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import {
  controllerRevisions,
  statefulSets,
  type ControllerRevision,
  type StatefulSet,
} from '@polyanthus/kube-kinds/workloads';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { claimCandidates, claimObjects } from '../ownership.ts';
import { byRevision, currentRevisions, dropRevisions, ensureRevision, templateOf } from '../revisions/history.ts';
import { desiredReplicas, isWanted, ordinalOf, podDraft, revisionOf, startOrdinal } from './identity.ts';
import { fillPlaces, keepCondemnedClaims, removeCondemned } from './members.ts';
import { partition, replaceOutdated } from './rollout.ts';
import type { Condemned, Member, Progress, Round, StatefulSetScope } from './round.ts';
import { availabilityCheckMs, podsOf, statefulSetStatus } from './status.ts';

/** In this order; the first that waits ends the round. Scaling goes before updates. */
const steps: readonly ((ctx: Context, round: Round) => Promise<Progress>)[] = [
  fillPlaces,
  keepCondemnedClaims,
  removeCondemned,
  replaceOutdated,
];

/** An expectation that no event fulfils is looked at again. */
const unsettledCheckMs = 60_000;

/** Moves the set one step and writes what its status then is. */
export async function reconcileStatefulSet(
  ctx: Context,
  scope: StatefulSetScope,
  key: string,
): Promise<ReconcileResult | void> {
  const set = scope.sets.get(key);
  if (set === undefined) {
    scope.expectations.forget(key);
    return undefined;
  }
  // The cache does not show yet what the last round did: deciding on it would do it twice.
  if (!scope.expectations.satisfied(key)) return { requeueAfterMs: unsettledCheckMs };
  scope.expectations.expect(key, 0, []);
  const revisions = await claimRevisions(ctx, scope, set);
  const mine = await claimPods(ctx, scope, set);
  const round = await openRound(ctx, scope, key, { set, revisions, mine });
  if (round === undefined) return undefined;
  try {
    if (set.metadata.deletionTimestamp === undefined) await run(ctx, round);
  } finally {
    const status = statefulSetStatus(round);
    await commit(ctx, scope.client, statefulSets, { before: set, after: { ...set, status } });
  }
  await pruneHistory(ctx, round, revisions);
  const checkMs = availabilityCheckMs(round);
  return checkMs === undefined ? undefined : { requeueAfterMs: checkMs };
}

async function run(ctx: Context, round: Round): Promise<void> {
  for (const step of steps) if ((await step(ctx, round)) === 'wait') return;
}

async function claimRevisions(
  ctx: Context,
  scope: StatefulSetScope,
  set: StatefulSet,
): Promise<readonly ControllerRevision[]> {
  const matcher = labelSelectorMatcher(set.spec.selector);
  return claimObjects(ctx, {
    client: scope.client,
    ownerType: statefulSets,
    owner: set,
    type: controllerRevisions,
    candidates: claimCandidates(scope.revisionCache, set),
    matches: (labels) => matcher.matches(labels),
  });
}

/** Only pods that bear the set's name are its own, whatever their labels. */
async function claimPods(ctx: Context, scope: StatefulSetScope, set: StatefulSet): Promise<readonly Pod[]> {
  const matcher = labelSelectorMatcher(set.spec.selector);
  return claimObjects(ctx, {
    client: scope.client,
    ownerType: statefulSets,
    owner: set,
    type: pods,
    candidates: claimCandidates(scope.podCache, set),
    matches: (labels, pod) => matcher.matches(labels) && ordinalOf(set, pod) !== undefined,
  });
}

interface Claimed {
  readonly set: StatefulSet;
  readonly revisions: readonly ControllerRevision[];
  readonly mine: readonly Pod[];
}

/** Undefined for a set that is being deleted and has no revision: there is nothing to say about it. */
async function openRound(
  ctx: Context,
  scope: StatefulSetScope,
  key: string,
  { set, revisions, mine }: Claimed,
): Promise<Round | undefined> {
  const history = { client: scope.client, ownerType: statefulSets, owner: set, revisions };
  const ending = set.metadata.deletionTimestamp !== undefined;
  const known = ending ? currentRevisions(history).at(-1) : undefined;
  if (ending && known === undefined) return undefined;
  const { revision: update, collisionCount } =
    known === undefined
      ? await ensureRevision(ctx, history)
      : { revision: known, collisionCount: set.status?.collisionCount ?? 0 };
  const current = revisions.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
  return {
    scope,
    key,
    set,
    nowMs: ctx.clock.now(),
    update,
    current,
    collisionCount,
    members: membersOf(set, mine, current, update),
    condemned: condemnedOf(set, mine),
    replaced: 0,
  };
}

function membersOf(
  set: StatefulSet,
  mine: readonly Pod[],
  current: ControllerRevision,
  update: ControllerRevision,
): readonly Member[] {
  const byOrdinal = new Map(mine.map((pod) => [ordinalOf(set, pod), pod]));
  const first = startOrdinal(set);
  return Array.from({ length: desiredReplicas(set) }, (_, index) => {
    const ordinal = first + index;
    return {
      ordinal,
      pod: byOrdinal.get(ordinal),
      draft: () => {
        const revision = index < keptByPartition(set) ? current : update;
        return podDraft(set, templateOf(revision) ?? set.spec.template, ordinal, revision.metadata.name ?? '');
      },
    };
  });
}

/** How many places, lowest first, are filled with the current revision while an update goes on. */
function keptByPartition(set: StatefulSet): number {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
  if (rollingUpdate !== undefined) return partition({ set });
  return type === 'RollingUpdate' ? (set.status?.currentReplicas ?? 0) : 0;
}

function condemnedOf(set: StatefulSet, mine: readonly Pod[]): readonly Condemned[] {
  return mine
    .map((pod) => ({ ordinal: ordinalOf(set, pod) ?? -1, pod }))
    .filter(({ ordinal }) => ordinal >= 0 && !isWanted(set, ordinal))
    .sort((a, b) => b.ordinal - a.ordinal);
}

/** Keeps revisionHistoryLimit revisions besides those that are in use. */
async function pruneHistory(ctx: Context, round: Round, revisions: readonly ControllerRevision[]): Promise<void> {
  const inUse = new Set([round.current, round.update].map(({ metadata }) => metadata.name));
  for (const pod of podsOf(round)) inUse.add(revisionOf(pod));
  const idle = revisions.filter(({ metadata }) => !inUse.has(metadata.name)).toSorted(byRevision);
  await dropRevisions(ctx, round.scope.client, idle, idle.length - (round.set.spec.revisionHistoryLimit ?? 10));
}
