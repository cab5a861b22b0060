/**
 * A local copy of one resource type that follows the API server for ever: list (streamed where served, else paged), watch
 * with bookmarks, reconnect on any failure, relist when the history is gone (client-go's reflector and shared informer).
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient, WatchEvent } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { ObjectCache, type Indexes } from './cache.ts';
import { deepFreeze } from './freeze.ts';
import { keyOf } from './keys.ts';
import { followForEver, type ReflectorSink } from './reflector.ts';

/** Which objects, how they are kept, and how long silence is believed. */
export interface InformerOptions<T extends KubeObject> {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly indexes?: Indexes<T>;
  /** Keeps less of each object; applied before it enters the cache. Must keep name, namespace, uid, resourceVersion. */
  readonly transform?: (object: T) => T;
  /** Objects a page of the paged list; 500. */
  readonly pageSize?: number;
  /** Without an event or a bookmark for this long the watch is cut and begun anew; 150 s (bookmarks come every minute). */
  readonly progressTimeoutMs?: number;
  /** Freezes what enters the cache: for tests, at a cost. */
  readonly freeze?: boolean;
  readonly random: Random;
  readonly metrics?: MetricsRegistry;
}

/** What a handler is told. Called in order and synchronously; it must return quickly and never change the objects. */
export interface InformerHandler<T extends KubeObject> {
  /** `initial` is true while the first list is being told. */
  readonly onAdd?: (object: T, initial: boolean) => void;
  readonly onUpdate?: (before: T, after: T) => void;
  /**
   * `finalStateUnknown`: the deletion was missed (a relist or a successor of the same name showed it), and `object` is the
   * last state that was seen, not the final one.
   */
  readonly onDelete?: (object: T, finalStateUnknown: boolean) => void;
}

/** A cache of one resource type; its objects are read-only. */
export interface Informer<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  /** Starts following until `ctx` is cancelled; later calls do nothing. */
  start(ctx: Context): void;
  /** Resolves once the first list is in the cache and was told to the handlers; rejects when cancelled before. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** Resolves when a started informer has ended. */
  readonly stopped: Promise<void>;
  get(key: string): T | undefined;
  list(): readonly T[];
  byIndex(index: string, value: string): readonly T[];
  /** Adds a handler; it is told what is in the cache already. The answer removes it again. */
  onEvent(handler: InformerHandler<T>): () => void;
}

/** Makes an informer; nothing is asked of the server before `start`. */
export function createInformer<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  options: InformerOptions<T>,
): Informer<T> {
  return new CachedInformer(client, type, options);
}

class CachedInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly type: ResourceType<T>;
  readonly synced: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #client: KubeClient;
  readonly #options: InformerOptions<T>;
  readonly #cache: ObjectCache<T>;
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #sync = Promise.withResolvers<void>();
  readonly #stop = Promise.withResolvers<void>();
  #ctx: Context | undefined;
  #synced = false;

  constructor(client: KubeClient, type: ResourceType<T>, options: InformerOptions<T>) {
    this.type = type;
    this.#client = client;
    this.#options = options;
    this.#cache = new ObjectCache(options.indexes ?? {});
    this.synced = this.#sync.promise;
    this.stopped = this.#stop.promise;
    // Whoever waits sees the rejection; that nobody waits is no crash.
    this.synced.catch(() => undefined);
  }

  get hasSynced(): boolean {
    return this.#synced;
  }

  start(ctx: Context): void {
    if (this.#ctx !== undefined) return;
    this.#ctx = ctx;
    void followForEver(ctx, this.#client, this.type, this.#options, this).then(
      () => this.#end(ctx.signal.reason),
      (error: unknown) => this.#end(error),
    );
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  list(): readonly T[] {
    return this.#cache.list();
  }

  byIndex(index: string, value: string): readonly T[] {
    return this.#cache.byIndex(index, value);
  }

  onEvent(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#cache.list()) this.#tell(() => handler.onAdd?.(object, true));
    return () => void this.#handlers.delete(handler);
  }

  /** The server's whole list: what is not in it is gone. */
  replace(objects: readonly T[]): void {
    const kept = new Set<string>();
    for (const raw of objects) kept.add(keyOf(raw));
    for (const key of this.#cache.keys()) if (!kept.has(key)) this.#remove(key, undefined);
    for (const raw of objects) this.#put(raw);
    this.#synced = true;
    this.#sync.resolve();
  }

  /** One event of the watch. */
  apply(event: WatchEvent<T>): void {
    if (event.type === 'DELETED') this.#remove(keyOf(event.object), event.object);
    else this.#put(event.object);
  }

  #put(raw: T): void {
    const key = keyOf(raw);
    let before = this.#cache.get(key);
    if (
      before !== undefined &&
      before.metadata.resourceVersion === raw.metadata.resourceVersion &&
      before.metadata.uid === raw.metadata.uid
    )
      return;
    const object = this.#prepare(raw);
    if (before !== undefined && before.metadata.uid !== object.metadata.uid) {
      this.#remove(key, undefined);
      before = undefined;
    }
    this.#cache.put(object);
    const previous = before;
    for (const handler of this.#handlers) {
      this.#tell(() =>
        previous === undefined ? handler.onAdd?.(object, !this.#synced) : handler.onUpdate?.(previous, object),
      );
    }
  }

  #remove(key: string, final: T | undefined): void {
    const known = this.#cache.get(key);
    if (known === undefined) return;
    this.#cache.remove(key);
    const sameObject = final !== undefined && final.metadata.uid === known.metadata.uid;
    const object = sameObject ? this.#prepare(final) : known;
    for (const handler of this.#handlers) this.#tell(() => handler.onDelete?.(object, !sameObject));
  }

  #prepare(raw: T): T {
    const object = this.#options.transform === undefined ? raw : this.#options.transform(raw);
    return this.#options.freeze === true ? deepFreeze(object) : object;
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#ctx?.log.error('an informer handler threw', { resource: this.type.resource, error });
    }
  }

  #end(reason: unknown): void {
    this.#sync.reject(reason);
    this.#stop.resolve();
  }
}
