/** What helpers of a cluster need of it: its stored objects. */
import type { Registry } from './registry/registry.ts';
import type { Store, StoredObject } from './store/store.ts';

/** A part of `Cluster`, so that what the cluster is made of does not need the cluster. */
export interface ObjectReader {
  readonly name: string;
  readonly store: Store;
  readonly registry: Registry;
  find(group: string, resource: string, namespace: string, name: string): StoredObject | undefined;
  listAll(group: string, resource: string, namespace?: string): readonly StoredObject[];
  onClose(fn: () => void): () => void;
}
