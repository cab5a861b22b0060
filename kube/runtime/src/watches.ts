/** From changes of objects to keys of a controller. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { Informer } from './informer.ts';
import { joinKey, keyOf } from './keys.ts';
import type { WorkQueue } from './queue.ts';

/** The keys that a change of `object` touches. */
export type KeyMap<T extends KubeObject> = (object: T) => readonly string[];

/** Adds keys for every add, delete and update (before and after) that `matters`; absent: all do. The answer ends it. */
export function watchInto<T extends KubeObject>(
  informer: Informer<T>,
  queue: WorkQueue,
  map: KeyMap<T> = (object) => [keyOf(object)],
  matters: (before: T, after: T) => boolean = () => true,
): () => void {
  const enqueue = (object: T): void => {
    for (const key of map(object)) queue.add(key);
  };
  return informer.onEvent({
    onAdd: enqueue,
    onUpdate: (before, after) => {
      if (!matters(before, after)) return;
      enqueue(before);
      enqueue(after);
    },
    onDelete: enqueue,
  });
}

/** Keys of the owner that controls an object, where that is of `type` (by group and kind: versions come and go). */
export function controllingOwner(type: ResourceType): KeyMap<KubeObject> {
  return (object) => {
    const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
    if (owner === undefined || owner.kind !== type.kind || groupOf(owner.apiVersion) !== type.group) return [];
    return [joinKey(type.namespaced ? object.metadata.namespace : undefined, owner.name)];
  };
}

/** The group of an apiVersion; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}
