/** Who controls what: owner references with `controller: true` (kube-controller-manager's ControllerRefManager). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, type ResourceType } from '@polyanthus/kube-objects/resource';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { Informer } from '@polyanthus/kube-runtime/informer';

/** The reference to the controlling owner. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** A reference that makes `owner` the controller of whatever carries it. */
export function controllerReference(type: ResourceType, owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return { apiVersion: apiVersionOf(type), kind: type.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** All that the owner may claim: what it controls already, and what nobody controls in its namespace. */
export function claimCandidates<T extends KubeObject>(cache: Informer<T>, owner: KubeObject): readonly T[] {
  const own = cache.byIndex('byOwner', owner.metadata.uid ?? '');
  return [...own, ...cache.byIndex('orphans', owner.metadata.namespace ?? '')];
}

/** Who claims what: `candidates` are all objects that might belong to `owner`. */
export interface Claim<T extends KubeObject> {
  readonly client: KubeClient;
  readonly ownerType: ResourceType;
  readonly owner: KubeObject;
  readonly type: ResourceType<T>;
  readonly candidates: readonly T[];
  readonly matches: (labels: Readonly<Record<string, string>> | undefined, object: T) => boolean;
}

/**
 * The candidates that belong to the owner. Orphans that match are adopted, own ones that no longer match are released;
 * objects of others are left alone. A deleted owner claims nothing new.
 */
export async function claimObjects<T extends KubeObject>(ctx: Context, claim: Claim<T>): Promise<readonly T[]> {
  const mine: T[] = [];
  let checked = false;
  for (const object of claim.candidates) {
    const controller = controllerOf(object);
    const matches = claim.matches(object.metadata.labels, object);
    if (controller !== undefined) {
      if (controller.uid !== claim.owner.metadata.uid) continue;
      if (matches) mine.push(object);
      else if (claim.owner.metadata.deletionTimestamp === undefined) await release(ctx, claim, object);
      continue;
    }
    if (
      !matches ||
      claim.owner.metadata.deletionTimestamp !== undefined ||
      object.metadata.deletionTimestamp !== undefined
    )
      continue;
    // The cache may be old: only an owner that lives now may adopt.
    if (!checked && !(await ownerLives(ctx, claim))) return mine;
    checked = true;
    const adopted = await adopt(ctx, claim, object);
    if (adopted !== undefined) mine.push(adopted);
  }
  return mine;
}

async function ownerLives<T extends KubeObject>(ctx: Context, claim: Claim<T>): Promise<boolean> {
  const { namespace, name = '', uid } = claim.owner.metadata;
  try {
    const live = await claim.client.get(ctx, claim.ownerType, { namespace, name });
    return live.metadata.uid === uid && live.metadata.deletionTimestamp === undefined;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false;
    throw error;
  }
}

async function adopt<T extends KubeObject>(ctx: Context, claim: Claim<T>, object: T): Promise<T | undefined> {
  const references = [...(object.metadata.ownerReferences ?? []), controllerReference(claim.ownerType, claim.owner)];
  return rewrite(ctx, claim, object, references);
}

async function release<T extends KubeObject>(ctx: Context, claim: Claim<T>, object: T): Promise<void> {
  const references = (object.metadata.ownerReferences ?? []).filter(
    (reference) => reference.uid !== claim.owner.metadata.uid,
  );
  await rewrite(ctx, claim, object, references);
}

async function rewrite<T extends KubeObject>(
  ctx: Context,
  claim: Claim<T>,
  before: T,
  references: readonly OwnerReference[],
): Promise<T | undefined> {
  const { ownerReferences: _dropped, ...rest } = before.metadata;
  const metadata = references.length === 0 ? rest : { ...rest, ownerReferences: references };
  try {
    return await commit(ctx, claim.client, claim.type, { before, after: { ...before, metadata } });
  } catch (error) {
    // Gone in the meantime is as good.
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}
