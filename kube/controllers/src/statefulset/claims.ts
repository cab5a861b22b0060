/** PersistentVolumeClaims of a StatefulSet: created before the pod, kept or collected as the retention policy says. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import {
  persistentVolumeClaims,
  statefulSets,
  type PersistentVolumeClaim,
  type StatefulSet,
} from '@polyanthus/kube-kinds/workloads';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, type ResourceType } from '@polyanthus/kube-objects/resource';
import { conflict } from '@polyanthus/kube-objects/status';
import { commit } from '@polyanthus/kube-runtime/committer';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { controllerReference } from '../ownership.ts';
import { claimDrafts, isWanted } from './identity.ts';
import type { Round } from './round.ts';

/** Creates the claims of an ordinal that are missing. Throws Conflict while one of them is being deleted. */
export async function ensureClaims(ctx: Context, round: Round, ordinal: number, pod: Pod): Promise<void> {
  for (const { claim } of claimDrafts(round.set, ordinal)) {
    const known = round.scope.claimCache.get(keyOf(claim));
    if (known === undefined) await createClaim(ctx, round, claim, pod);
    else if (known.metadata.deletionTimestamp !== undefined)
      throw conflict('', 'persistentvolumeclaims', claim.metadata.name ?? '', 'it is being deleted');
  }
}

async function createClaim(ctx: Context, round: Round, claim: PersistentVolumeClaim, pod: Pod): Promise<void> {
  const { set, scope } = round;
  const what = `Create Claim ${claim.metadata.name ?? ''}`;
  const where = `Pod ${pod.metadata.name ?? ''} in StatefulSet ${set.metadata.name ?? ''}`;
  try {
    await scope.client.create(ctx, persistentVolumeClaims, claim);
    scope.recorder.record(set, 'Normal', 'SuccessfulCreate', `${what} ${where} success`);
  } catch (error) {
    // The cache is late.
    if (hasCode(error, 'AlreadyExists')) return;
    const message = `${what} for ${where} failed error: ${describeError(error)}`;
    scope.recorder.record(set, 'Warning', 'FailedCreate', message);
    throw error;
  }
}

/** Gives the claims of an ordinal the owners that the retention policy wants. */
export async function keepClaimOwners(ctx: Context, round: Round, ordinal: number, pod: Pod): Promise<void> {
  for (const { claim } of claimDrafts(round.set, ordinal)) {
    const before = round.scope.claimCache.get(keyOf(claim));
    if (before === undefined) continue;
    const references = wantedOwners(before, round.set, pod, isWanted(round.set, ordinal));
    if (references === ownersOf(before)) continue;
    if (hasStrangeController(before, round.set, pod))
      round.scope.recorder.record(
        round.set,
        'Warning',
        'ConflictingController',
        `PersistentVolumeClaim ${before.metadata.name ?? ''} has a conflicting OwnerReference that acts as a managing controller, the retention policy is ignored for this claim`,
      );
    const { ownerReferences: _all, ...rest } = before.metadata;
    const metadata = references.length === 0 ? rest : { ...rest, ownerReferences: references };
    await commit(ctx, round.scope.client, persistentVolumeClaims, { before, after: { ...before, metadata } });
  }
}

/** Whether a claim of the ordinal still belongs to an earlier pod of that name and is about to be collected with it. */
export function hasStaleClaim(round: Round, ordinal: number, pod: Pod): boolean {
  if (policyOf(round.set).whenScaled === 'Retain') return false;
  return claimDrafts(round.set, ordinal).some(({ claim }) => {
    const known = round.scope.claimCache.get(keyOf(claim));
    return known !== undefined && isStale(known, pods, pod);
  });
}

const nobody: readonly OwnerReference[] = [];
const ownersOf = (claim: PersistentVolumeClaim): readonly OwnerReference[] => claim.metadata.ownerReferences ?? nobody;

const policyOf = (set: StatefulSet) => {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  return { whenDeleted, whenScaled };
};

const names = (reference: OwnerReference, type: ResourceType, owner: KubeObject): boolean =>
  reference.apiVersion === apiVersionOf(type) && reference.kind === type.kind && reference.name === owner.metadata.name;

const isStale = (claim: PersistentVolumeClaim, type: ResourceType, owner: KubeObject): boolean =>
  ownersOf(claim).some((reference) => names(reference, type, owner) && reference.uid !== owner.metadata.uid);

function hasStrangeController(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  const { whenDeleted, whenScaled } = policyOf(set);
  if (whenDeleted === 'Retain' && whenScaled === 'Retain') return false;
  return ownersOf(claim).some(
    (reference) =>
      reference.controller === true && !names(reference, statefulSets, set) && !names(reference, pods, pod),
  );
}

/**
 * The references that a claim must have: the set while its place is wanted and whenDeleted says Delete, the pod once the
 * place is not wanted and whenScaled says Delete. The very same list when nothing changes; a claim that an earlier set or
 * pod of the name owns is left to the collector, one that somebody else controls loses only what is ours.
 */
export function wantedOwners(
  claim: PersistentVolumeClaim,
  set: StatefulSet,
  pod: Pod,
  wanted: boolean,
): readonly OwnerReference[] {
  const before = ownersOf(claim);
  if (isStale(claim, statefulSets, set) || isStale(claim, pods, pod)) return before;
  const isOurs = (one: OwnerReference): boolean => names(one, statefulSets, set) || names(one, pods, pod);
  const owner = hasStrangeController(claim, set, pod) ? undefined : ownerByPolicy(set, pod, wanted);
  const ours = before.filter(isOurs);
  const right =
    owner === undefined
      ? ours.length === 0
      : ours.length === 1 && ours[0]?.uid === owner.uid && ours[0].controller === true;
  if (right) return before;
  const others = before.filter((one) => !isOurs(one));
  return owner === undefined ? others : [...others, owner];
}

function ownerByPolicy(set: StatefulSet, pod: Pod, wanted: boolean): OwnerReference | undefined {
  const { whenDeleted, whenScaled } = policyOf(set);
  if (!wanted && whenScaled === 'Delete') return controllerReference(pods, pod);
  return whenDeleted === 'Delete' ? controllerReference(statefulSets, set) : undefined;
}
