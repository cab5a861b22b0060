/** ControllerRevisions: the templates that a set has had, for rollbacks and kubectl's rollout history and undo. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import type { PodTemplate } from '@polyanthus/kube-kinds/core';
import { controllerRevisions, type ControllerRevision } from '@polyanthus/kube-kinds/workloads';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { commit } from '@polyanthus/kube-runtime/committer';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { canonicalJson, fnv1, safeDigits } from '../hashes.ts';
import { controllerOf, controllerReference } from '../ownership.ts';

/** The label of pods that says of which revision they are. */
export const revisionHashLabel = 'controller-revision-hash';

/** Names of owners are cut so that the hash fits. */
const ownerNameMax = 223;
/** Two templates with one hash are next to impossible; many are an attack. */
const collisionsMax = 10;

/** A set whose template is kept as revisions. */
export interface RevisionedSet extends KubeObject {
  readonly spec: { readonly template: PodTemplate };
  readonly status?: { readonly collisionCount?: number };
}

/** The set, its type, and the revisions that it controls. */
export interface RevisionScope {
  readonly client: KubeClient;
  readonly ownerType: ResourceType;
  readonly owner: RevisionedSet;
  readonly revisions: readonly ControllerRevision[];
}

/** The revision of the set's template now, and how often its name was taken. */
export interface UpdateRevision {
  readonly revision: ControllerRevision;
  readonly collisionCount: number;
}

/** Oldest first; equal numbers by age, then by name. */
export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  if (a.revision !== b.revision) return a.revision - b.revision;
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}

/** The template that a revision restores; undefined when it holds none. */
export function templateOf(revision: ControllerRevision): PodTemplate | undefined {
  const data = revision.data as { readonly spec?: { readonly template?: PodTemplate } } | undefined;
  if (data?.spec?.template === undefined) return undefined;
  const { $patch: _directive, ...template } = data.spec.template as PodTemplate & { readonly $patch?: string };
  return template;
}

const patchOf = (template: PodTemplate): unknown => ({ spec: { template: { ...template, $patch: 'replace' } } });

/** The revisions that hold the set's template as it is now, oldest first. */
export function currentRevisions({ owner, revisions }: RevisionScope): readonly ControllerRevision[] {
  const wanted = patchOf(owner.spec.template);
  return revisions.filter((revision) => jsonEqual(revision.data, wanted)).sort(byRevision);
}

/**
 * The revision of the set's template: the newest one, an earlier one that becomes the newest (a rollback), or a new one.
 * Throws Conflict when its name is held by a revision that is not the set's yet, or no longer.
 */
export async function ensureRevision(ctx: Context, scope: RevisionScope): Promise<UpdateRevision> {
  const collisionCount = scope.owner.status?.collisionCount ?? 0;
  const found = currentRevisions(scope).at(-1);
  const others = scope.revisions.filter((revision) => revision !== found);
  const next = Math.max(0, ...others.map(({ revision }) => revision)) + 1;
  if (found === undefined) return createRevision(ctx, scope, next, collisionCount);
  if (found.revision >= next) return { revision: found, collisionCount };
  const after = { ...found, revision: next };
  const revision = await commit(ctx, scope.client, controllerRevisions, { before: found, after });
  return { revision, collisionCount };
}

async function createRevision(
  ctx: Context,
  scope: RevisionScope,
  number: number,
  collisionCount: number,
): Promise<UpdateRevision> {
  const wanted = draft(scope, number, collisionCount);
  try {
    const revision = await scope.client.create(ctx, controllerRevisions, wanted);
    return { revision, collisionCount };
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error;
    const { namespace, name = '' } = wanted.metadata;
    const live = await scope.client.get(ctx, controllerRevisions, { namespace, name });
    const same = jsonEqual(live.data, wanted.data);
    if (same && controllerOf(live)?.uid === scope.owner.metadata.uid) return { revision: live, collisionCount };
    // The same content of somebody else is about to be collected or adopted: the next round sees what became of it.
    if (same || collisionCount >= collisionsMax) throw error;
    return createRevision(ctx, scope, number, collisionCount + 1);
  }
}

function draft({ owner, ownerType }: RevisionScope, number: number, collisionCount: number): ControllerRevision {
  const data = patchOf(owner.spec.template);
  const hash = safeDigits(fnv1(`${canonicalJson(data)}${collisionCount}`));
  const { namespace, name = '', annotations } = owner.metadata;
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${name.slice(0, ownerNameMax)}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...owner.spec.template.metadata?.labels, [revisionHashLabel]: hash },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(ownerType, owner)],
    },
    data,
    revision: number,
  };
}

/** Deletes the oldest `count` of `candidates`. */
export async function dropRevisions(
  ctx: Context,
  client: KubeClient,
  candidates: readonly ControllerRevision[],
  count: number,
): Promise<void> {
  for (const revision of candidates.toSorted(byRevision).slice(0, Math.max(0, count))) {
    const { namespace, name = '', uid = '' } = revision.metadata;
    await unlessGone(client.delete(ctx, controllerRevisions, { namespace, name }, { preconditions: { uid } }));
  }
}
