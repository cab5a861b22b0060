/** Who owns whom, from the metadata of all objects (kube-controller-manager's garbagecollector graph). */
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';

/** Set by the API server on a foreground deletion (meta/v1 FinalizerDeleteDependents). */
export const foregroundFinalizer = 'foregroundDeletion';
/** Set by the API server on an orphaning deletion (meta/v1 FinalizerOrphanDependents). */
export const orphanFinalizer = 'orphan';

/** An object that was seen. */
export interface GraphNode {
  readonly uid: string;
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly deleting: boolean;
  /** Being deleted in the foreground: it waits for its dependents. */
  readonly waitsForDependents: boolean;
  /** Being deleted, but its dependents shall stay. */
  readonly orphansDependents: boolean;
}

/** The node of an object as the API gave it. */
export function nodeOf(type: ResourceType, object: KubeObject): GraphNode {
  const { uid = '', namespace, name = '', ownerReferences = [], finalizers = [], deletionTimestamp } = object.metadata;
  const deleting = deletionTimestamp !== undefined;
  return {
    uid,
    type,
    namespace,
    name,
    owners: ownerReferences,
    deleting,
    waitsForDependents: deleting && finalizers.includes(foregroundFinalizer),
    orphansDependents: deleting && finalizers.includes(orphanFinalizer),
  };
}

/** Nodes by uid and the edges between them. An edge to an owner that was never seen is kept. */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** The node that was there before. */
  put(node: GraphNode): GraphNode | undefined {
    const before = this.#nodes.get(node.uid);
    if (before !== undefined) this.#unlink(before);
    this.#nodes.set(node.uid, node);
    for (const owner of node.owners) {
      const dependents = this.#dependents.get(owner.uid);
      if (dependents === undefined) this.#dependents.set(owner.uid, new Set([node.uid]));
      else dependents.add(node.uid);
    }
    return before;
  }

  remove(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#unlink(node);
    this.#nodes.delete(uid);
  }

  /** Objects that name this uid as an owner. */
  dependentsOf(uid: string): readonly GraphNode[] {
    const found: GraphNode[] = [];
    for (const dependent of this.#dependents.get(uid) ?? []) {
      const node = this.#nodes.get(dependent);
      if (node !== undefined) found.push(node);
    }
    return found;
  }

  /** Dependents that hold up a foreground deletion of the owner. */
  blockingDependentsOf(uid: string): readonly GraphNode[] {
    return this.dependentsOf(uid).filter((node) =>
      node.owners.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
    );
  }

  #unlink(node: GraphNode): void {
    for (const owner of node.owners) {
      const dependents = this.#dependents.get(owner.uid);
      dependents?.delete(node.uid);
      if (dependents?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}
