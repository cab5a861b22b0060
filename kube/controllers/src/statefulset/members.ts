/** The places of a StatefulSet: filled lowest first, emptied highest first, one at a time unless the set is Parallel. */
import type { Context } from '@polyanthus/ground-base/context';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { ensureClaims, hasStaleClaim, keepClaimOwners } from './claims.ts';
import { isMonotonic, withIdentity } from './identity.ts';
import {
  deletePod,
  isAvailable,
  isRunningAndReady,
  isTerminating,
  isUnavailable,
  told,
  type Condemned,
  type Member,
  type Progress,
  type Round,
} from './round.ts';

/** Creates what is missing and keeps what is there. In order, the first place that is not available ends the round. */
export async function fillPlaces(ctx: Context, round: Round): Promise<Progress> {
  return forAll(round, round.members, (member) => fillPlace(ctx, round, member));
}

/** Gives the claims of pods that shall go their owners before they go. */
export async function keepCondemnedClaims(ctx: Context, round: Round): Promise<Progress> {
  return forAll(round, round.condemned, async ({ ordinal, pod }) => {
    await keepClaimOwners(ctx, round, ordinal, pod);
    return 'next';
  });
}

/** Deletes pods beyond the places. In order, one at a time; one that is not well only when it is the lowest of those. */
export async function removeCondemned(ctx: Context, round: Round): Promise<Progress> {
  const sick = firstUnavailable(round);
  return forAll(round, round.condemned, async ({ pod }) => {
    if (isTerminating(pod)) return isMonotonic(round.set) ? 'wait' : 'next';
    if (isMonotonic(round.set) && pod !== sick && !(isRunningAndReady(pod) && isAvailable(round, pod))) return 'wait';
    await deletePod(ctx, round, pod);
    return 'wait';
  });
}

/** One after the other until one says wait, or in doubling batches where order does not matter: then nothing waits. */
async function forAll<T extends Member | Condemned>(
  round: Round,
  items: readonly T[],
  work: (item: T) => Promise<Progress>,
): Promise<Progress> {
  if (isMonotonic(round.set)) {
    for (const item of items) if ((await work(item)) === 'wait') return 'wait';
    return 'next';
  }
  let begun = 0;
  for (let batch = 1; begun < items.length; batch = Math.min(batch * 2, 500)) {
    const results = await Promise.allSettled(items.slice(begun, begun + batch).map(work));
    const refused = results.find((result) => result.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
    begun += batch;
  }
  return 'next';
}

async function fillPlace(ctx: Context, round: Round, member: Member): Promise<Progress> {
  const { ordinal, pod } = member;
  if (pod === undefined) return createPod(ctx, round, ordinal, member.draft());
  // Whatever the exit code, a pod of a set is to run: it goes, and its place is filled again.
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') {
    if (!isTerminating(pod)) await deletePod(ctx, round, pod);
    return 'wait';
  }
  if (pod.status?.phase === 'Pending') {
    await ensureClaims(ctx, round, ordinal, pod);
    await keepClaimOwners(ctx, round, ordinal, pod);
  }
  if (isMonotonic(round.set) && (isTerminating(pod) || !isRunningAndReady(pod) || !isAvailable(round, pod)))
    return 'wait';
  await keepMember(ctx, round, ordinal, pod);
  return 'next';
}

async function createPod(ctx: Context, round: Round, ordinal: number, draft: Pod): Promise<Progress> {
  if (hasStaleClaim(round, ordinal, draft)) return 'wait';
  await ensureClaims(ctx, round, ordinal, draft);
  const { client, expectations } = round.scope;
  expectations.add(round.key, 1, []);
  await told(round, 'Create', draft, async () => {
    try {
      await client.create(ctx, pods, draft);
    } catch (error) {
      expectations.created(round.key);
      throw error;
    }
  });
  await keepClaimOwners(ctx, round, ordinal, draft);
  return isMonotonic(round.set) ? 'wait' : 'next';
}

/** Labels of an adopted pod, its claims and their owners. */
async function keepMember(ctx: Context, round: Round, ordinal: number, pod: Pod): Promise<void> {
  await keepClaimOwners(ctx, round, ordinal, pod);
  const after = withIdentity(round.set, pod, ordinal);
  if (after === pod) return;
  await ensureClaims(ctx, round, ordinal, pod);
  await told(round, 'Update', pod, () => commit(ctx, round.scope.client, pods, { before: pod, after }));
}

/** The place or the pod beyond them, lowest ordinal first, that is not well; undefined when it is a place without pod. */
function firstUnavailable(round: Round): Pod | undefined {
  const member = round.members.find(({ pod }) => isUnavailable(round, pod));
  if (member !== undefined) return member.pod;
  return round.condemned.findLast(({ pod }) => isUnavailable(round, pod))?.pod;
}
