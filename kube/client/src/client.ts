/** What every caller of a Kubernetes API holds. `createClient` in rest.ts makes one over any Transport. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Transport } from '@polyanthus/ground-http/message';
import type { JsonValue, KubeList, KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { Status } from '@polyanthus/kube-objects/status';

/** Which object of a kind: its name, and its namespace where the kind has one. */
export interface ObjectKey {
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
}

/** What to watch and from where; a watch has no pages. */
export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  readonly allowBookmarks?: boolean | undefined;
  readonly sendInitialEvents?: boolean | undefined;
  readonly timeoutSeconds?: number | undefined;
}

/** What every write may carry, as query parameters of the API. */
export interface WriteOptions {
  readonly fieldManager?: string | undefined;
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict' | undefined;
  readonly dryRun?: boolean | undefined;
  readonly subresource?: string | undefined;
}

/** What a deletion asks for besides (meta/v1 DeleteOptions). */
export interface DeleteOptions {
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground' | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly dryRun?: boolean | undefined;
}

/** `apply` is server-side apply: the body is the applied configuration; `force` takes conflicts over. */
export type Patch =
  | { readonly type: 'json'; readonly body: readonly JsonValue[] }
  | { readonly type: 'merge' | 'strategic'; readonly body: unknown }
  | { readonly type: 'apply'; readonly body: unknown; readonly force?: boolean };

/** ERROR events never appear: they are thrown as StatusError. A BOOKMARK carries only its resourceVersion. */
export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** All failures of the API are StatusError; failures on the way are the coded errors of ground/http. */
export interface KubeClient {
  readonly transport: Transport;
  get<T extends KubeObject>(
    ctx: Context,
    type: ResourceType<T>,
    key: ObjectKey,
    options?: { readonly subresource?: string },
  ): Promise<T>;
  /** One page. */
  list<T extends KubeObject>(ctx: Context, type: ResourceType<T>, options?: ListOptions): Promise<KubeList<T>>;
  /** All pages of a consistent list, `pageSize` (500) items a request; begins anew once when the token expires. */
  listAll<T extends KubeObject>(
    ctx: Context,
    type: ResourceType<T>,
    options?: ListOptions & { readonly pageSize?: number },
  ): Promise<KubeList<T>>;
  /** One watch request, as the server serves it. It ends when the server ends it; `runtime`'s informer goes on for ever. */
  watch<T extends KubeObject>(
    ctx: Context,
    type: ResourceType<T>,
    options?: WatchOptions,
  ): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(ctx: Context, type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Creates a subresource object at a key: `eviction`, `token`, `binding`. */
  createAt<R>(
    ctx: Context,
    type: ResourceType,
    key: ObjectKey,
    subresource: string,
    body: unknown,
    options?: WriteOptions,
  ): Promise<R>;
  update<T extends KubeObject>(ctx: Context, type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    ctx: Context,
    type: ResourceType<T>,
    key: ObjectKey,
    patch: Patch,
    options?: WriteOptions,
  ): Promise<T>;
  /** The deleted object, or the Status that the server gave. */
  delete(ctx: Context, type: ResourceType, key: ObjectKey, options?: DeleteOptions): Promise<KubeObject | Status>;
  deleteCollection(ctx: Context, type: ResourceType, list?: ListOptions, options?: DeleteOptions): Promise<void>;
  /** JSON of any path: `/version`, discovery documents. */
  getJson<R>(ctx: Context, path: string, accept?: string): Promise<R>;
}
