/**
 * etcd's semantics for one process (DESIGN section 4 "Store"): one revision for everything, compare-and-swap on the
 * revision of an object, range reads at a revision, watch from a revision, compaction. `memory` and `sqlite` forms share
 * one conformance suite.
 *
 * A key is `<cluster>/<group>/<resource>/<namespace or empty>/<name>`; segments never contain `/`. A value is the
 * canonical JSON bytes of an object, opaque here; `index` is what lists filter by without parsing.
 */
import type { Context } from '@polyanthus/ground-base/context';

/** What is known of an object without parsing its bytes. Absent maps are empty. */
export interface ObjectIndex {
  readonly labels?: Readonly<Record<string, string>>;
  /** Selectable fields: `metadata.name`, `spec.nodeName`, `involvedObject.uid`… */
  readonly fields?: Readonly<Record<string, string>>;
  /** Owner uids, for garbage collection. */
  readonly owners?: readonly string[];
  readonly uid?: string;
}

/** An object as stored; never mutated. */
export interface StoredObject {
  readonly key: string;
  /** The revision of its last write: its resourceVersion. */
  readonly revision: number;
  readonly createRevision: number;
  readonly bytes: Uint8Array;
  readonly index: ObjectIndex;
}

/** One change. For a delete, `object` is absent and `previous` is what was there. */
export interface StoreEvent {
  readonly revision: number;
  readonly key: string;
  readonly object: StoredObject | undefined;
  readonly previous: StoredObject | undefined;
  /** Of a delete that had `encode`: the last state with the delete's revision, for the DELETED event. */
  readonly final?: StoredObject;
}

/**
 * A write. `expected` is the revision that the object must have now: 0 means it must not exist. `encode` makes the bytes
 * once the revision is known, because the resourceVersion is part of them; it must be pure and fast.
 */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly expected: number;
      readonly encode: (revision: number) => Uint8Array;
      readonly index: ObjectIndex;
    }
  /** `encode`, when given, makes the bytes of the DELETED event (the final object with the delete's revision). */
  | {
      readonly kind: 'delete';
      readonly key: string;
      readonly expected: number;
      readonly encode?: (revision: number) => Uint8Array;
    };

/** `conflict.current` is what a compare found instead. */
export type WriteResult =
  | {
      readonly ok: true;
      readonly revision: number;
      readonly object: StoredObject | undefined;
      readonly previous: StoredObject | undefined;
    }
  | { readonly ok: false; readonly current: StoredObject | undefined };

/** A page of a range. */
export interface RangeResult {
  /** In key order. */
  readonly objects: readonly StoredObject[];
  /** The revision at which the whole range was read. */
  readonly revision: number;
  /** The key to go on with; absent at the end. */
  readonly next?: string;
  /** How many objects follow after this page; with a filter, how many may (those not looked at yet are not filtered). */
  readonly remaining: number;
}

/** See the head of this file. */
export interface Store {
  /** The last committed revision. */
  readonly revision: number;
  /** The oldest revision from which a watch or an old read is still possible. */
  readonly compactedRevision: number;
  /** False once a commit has failed: reads go on, writes are refused (StoreReadOnly). */
  readonly writable: boolean;
  get(key: string): StoredObject | undefined;
  /** Objects whose key begins with `prefix`, from `from` (inclusive) on, at `revision` (default: now). Throws Compacted. */
  range(
    prefix: string,
    options?: {
      readonly from?: string;
      readonly limit?: number;
      readonly revision?: number;
      readonly filter?: (object: StoredObject) => boolean;
    },
  ): RangeResult;
  /** How many objects have this prefix. */
  count(prefix: string): number;
  /**
   * Resolves once the write is durable and visible to readers and watchers (committed, then published, then
   * acknowledged). Conflicts are judged against writes still on their way.
   */
  write(ctx: Context, write: Write): Promise<WriteResult>;
  /**
   * Events after `afterRevision` with this prefix, in order, none left out. Calls `deliver` synchronously at publication;
   * returns the backlog first through the same function. Throws Compacted when the revision is too old.
   */
  watch(prefix: string, afterRevision: number, deliver: (event: StoreEvent) => void): { close(): void };
  /** Forgets history up to `revision`. */
  compact(ctx: Context, revision: number): Promise<void>;
  /** Keeps history from `revision` on for `ttlMs` (continue tokens); answers false when it is already compacted. */
  pin(revision: number, ttlMs: number): boolean;
  /** Commits what is on its way and closes the files. */
  close(): Promise<void>;
}
