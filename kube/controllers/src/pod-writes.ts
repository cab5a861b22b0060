/** Creating and deleting the pods of an owner as kube-controller-manager does it: slow start, expectations, events. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type LabelSelector, type Pod, type PodTemplate } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { StatusError } from '@polyanthus/kube-objects/status';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Expectations } from '@polyanthus/kube-runtime/expectations';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import type { KeyMap } from '@polyanthus/kube-runtime/watches';
import { controllerOf, controllerReference } from './ownership.ts';

/** Pods created or deleted in one round at most. */
const burstReplicas = 500;
/** Generated names of pods are cut so that the suffix fits a DNS label. */
const generateNameMax = 58;

/** What writes go through. */
export interface PodWriter {
  readonly client: KubeClient;
  readonly expectations: Expectations;
  readonly recorder: EventRecorder;
}

/** Pods to create and to delete for one owner, whose queue key is `key`. */
export interface PodChanges {
  readonly key: string;
  readonly owner: KubeObject;
  readonly create?: readonly Pod[];
  readonly remove?: readonly Pod[];
}

/** Tells the expectations what the watch shows; subscribe before the queue, for a round that it wakes must see them. */
export function expectPods(cache: Informer<Pod>, expectations: Expectations, ownersOf: KeyMap<KubeObject>): void {
  const deleted = (pod: Pod): void => {
    for (const key of ownersOf(pod)) expectations.deleted(key, pod.metadata.uid ?? '');
  };
  cache.onEvent({
    onAdd: (pod) => {
      if (pod.metadata.deletionTimestamp === undefined) for (const key of ownersOf(pod)) expectations.created(key);
    },
    onUpdate: (_before, pod) => {
      if (pod.metadata.deletionTimestamp !== undefined) deleted(pod);
    },
    onDelete: deleted,
  });
}

/** Keys of the owners that may adopt a pod which nobody controls: those of its namespace whose selector takes it. */
export function adoptersOf<T extends Selecting>(owners: Informer<T>): KeyMap<Pod> {
  return (pod) =>
    owners
      .byIndex('byNamespace', pod.metadata.namespace ?? '')
      .filter((owner) => labelSelectorMatcher(owner.spec.selector).matches(pod.metadata.labels))
      .map(keyOf);
}

interface Selecting extends KubeObject {
  readonly spec: { readonly selector?: LabelSelector };
}

/** Keys of whoever a pod concerns: its controller, or all that may adopt it. */
export function concernedBy(ownersOf: KeyMap<KubeObject>, adopters: KeyMap<Pod>): KeyMap<Pod> {
  return (pod) => (controllerOf(pod) === undefined ? adopters(pod) : ownersOf(pod));
}

/** A pod of `template` that `owner` controls, its name still to be generated. */
export function podFromTemplate(ownerType: ResourceType, owner: KubeObject, template: PodTemplate | undefined): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const { namespace, name = '' } = owner.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${name.slice(0, generateNameMax - 1)}-`,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(ownerType, owner)],
    },
    spec: template?.spec ?? { containers: [] },
  };
}

/**
 * Writes the changes, 500 of each kind at most. What was begun is expected until the cache shows it; throws the first
 * refusal after everything was tried, but for creations: these come in doubling batches, and the first batch that is
 * refused (quota, admission) is the last.
 */
export async function changePods(ctx: Context, writer: PodWriter, changes: PodChanges): Promise<void> {
  const create = (changes.create ?? []).slice(0, burstReplicas);
  const remove = (changes.remove ?? []).slice(0, burstReplicas);
  if (create.length + remove.length === 0) return;
  writer.expectations.expect(
    changes.key,
    create.length,
    remove.map((pod) => pod.metadata.uid ?? ''),
  );
  const results = [
    ...(await createAll(ctx, writer, changes, create)),
    ...(await Promise.allSettled(remove.map((pod) => removeOne(ctx, writer, changes, pod)))),
  ];
  const refused = results.find((result) => result.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
}

type Results = readonly PromiseSettledResult<void>[];

async function createAll(
  ctx: Context,
  writer: PodWriter,
  changes: PodChanges,
  drafts: readonly Pod[],
): Promise<Results> {
  let begun = 0;
  for (let batch = 1; begun < drafts.length; batch *= 2) {
    const some = drafts.slice(begun, begun + batch);
    const results = await Promise.allSettled(some.map((draft) => createOne(ctx, writer, changes, draft)));
    begun += some.length;
    if (results.every((result) => result.status === 'fulfilled')) continue;
    for (let left = drafts.length - begun; left > 0; left--) writer.expectations.created(changes.key);
    return results;
  }
  return [];
}

async function createOne(ctx: Context, writer: PodWriter, { key, owner }: PodChanges, draft: Pod): Promise<void> {
  try {
    const pod = await writer.client.create(ctx, pods, draft);
    writer.recorder.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name ?? ''}`);
  } catch (error) {
    writer.expectations.created(key);
    // Nothing can be created any more, and the owner ends soon: no reason to try again.
    if (isNamespaceEnding(error)) return;
    writer.recorder.record(owner, 'Warning', 'FailedCreate', `Error creating: ${describeError(error)}`);
    throw error;
  }
}

/** Whether a creation was refused because the namespace is being deleted. */
export function isNamespaceEnding(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    (error.status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating')
  );
}

async function removeOne(ctx: Context, writer: PodWriter, { key, owner }: PodChanges, pod: Pod): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata;
  try {
    await writer.client.delete(ctx, pods, { namespace, name }, { preconditions: { uid } });
    writer.recorder.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  } catch (error) {
    writer.expectations.deleted(key, uid);
    if (hasCode(error, 'NotFound') || hasCode(error, 'Conflict')) return;
    writer.recorder.record(owner, 'Warning', 'FailedDelete', `Error deleting: ${describeError(error)}`);
    throw error;
  }
}
