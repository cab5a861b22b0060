/** Follows the CRDs of a cluster: accepts names, serves and withdraws kinds, cleans up after deleted ones. */
import type { Context } from '@polyanthus/ground-base/context';
import type { CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { timestamp, withMeta, type ApiObject } from '../api-object.ts';
import type { Cluster } from '../cluster.ts';
import { encodeAt, indexOf, parseStored } from '../encode.ts';
import { keyOf, prefixOf } from '../registry/keys.ts';
import type { ResourceDefinition } from '../registry/definition.ts';
import type { StoredObject } from '../store/store.ts';
import { desiredStatus } from './conditions.ts';
import { crdDefinitions } from './definitions.ts';
import { cleanupFinalizer } from './prepare.ts';

const group = 'apiextensions.k8s.io';
const resource = 'customresourcedefinitions';

/** Serves the kinds of one cluster. Every change of a CRD is looked at once, in order. */
export class CrdController {
  readonly #ctx: Context;
  readonly #cluster: Cluster;
  readonly #definition: ResourceDefinition;
  readonly #waiting = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(ctx: Context, cluster: Cluster) {
    const definition = cluster.registry.find(group, 'v1', resource);
    if (definition === undefined) throw new Error('CustomResourceDefinition is not among the built-in kinds');
    this.#ctx = ctx;
    this.#cluster = cluster;
    this.#definition = definition;
  }

  /** Resolves when nothing is left to look at. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Serves what is stored (`served`: that is so already), then follows. Resolves when the stored CRDs are served. */
  async start(served = false): Promise<void> {
    const prefix = prefixOf(this.#cluster.name, this.#definition);
    const { objects, revision } = this.#cluster.store.range(prefix);
    const watch = this.#cluster.store.watch(prefix, revision, (event) => this.#enqueue(event.key));
    this.#cluster.onClose(() => watch.close());
    if (!served) for (const { key } of objects) this.#enqueue(key);
    await this.#running;
  }

  #enqueue(key: string): void {
    this.#waiting.add(key);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Not inside of the store's publication.
    await Promise.resolve();
    for (let [key] = this.#waiting; key !== undefined; [key] = this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#reconcile(key);
      } catch (error) {
        this.#ctx.log.error('a CustomResourceDefinition could not be served', { key, error });
      }
    }
    this.#running = undefined;
  }

  async #reconcile(key: string): Promise<void> {
    const stored = this.#cluster.store.get(key);
    if (stored === undefined) return this.#withdraw(key);
    const object = parseStored(stored);
    const crd = object as unknown as CustomResourceDefinition;
    const ending = object.metadata.deletionTimestamp !== undefined;
    const status = desiredStatus(crd, this.#cluster.registry, timestamp(this.#ctx.clock.now()));
    const established =
      status.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True') === true;
    if (established) this.#serve(crd, ending);
    if (!equalJson(status as unknown as JsonObject, object['status'])) {
      await this.#write(stored, { ...object, status: status as unknown as JsonObject });
      return;
    }
    if (ending) await this.#cleanUp(stored, object, crd);
  }

  #serve(crd: CustomResourceDefinition, ending: boolean): void {
    const { spec } = crd;
    this.#cluster.registry.setCustom(spec.group, spec.names.plural, crdDefinitions(crd, ending));
  }

  #withdraw(key: string): void {
    const name = key.slice(key.lastIndexOf('/') + 1);
    const dot = name.indexOf('.');
    const [plural, ofGroup] = [name.slice(0, dot), name.slice(dot + 1)];
    this.#cluster.registry.setCustom(ofGroup, plural, []);
    this.#cluster.endWatches(ofGroup, plural);
    // A name that was in conflict with this one may be free now.
    for (const other of this.#cluster.listAll(group, resource)) this.#enqueue(other.key);
  }

  /** Deletes the objects of an ending CRD, and lets it go once they are gone. */
  async #cleanUp(stored: StoredObject, crd: ApiObject, { spec }: CustomResourceDefinition): Promise<void> {
    const finalizers = crd.metadata.finalizers ?? [];
    if (!finalizers.includes(cleanupFinalizer)) return;
    const [definition] = crdDefinitions({ ...(crd as unknown as CustomResourceDefinition) }, true);
    if (definition !== undefined && !this.#cluster.registry.isBuiltin(spec.group, spec.names.plural)) {
      const prefix = prefixOf(this.#cluster.name, definition);
      for (const one of this.#cluster.store.range(prefix).objects) await this.#deleteInstance(one, definition);
      if (this.#cluster.store.count(prefix) > 0) return this.#waitForInstances(stored.key, prefix);
    }
    const rest = finalizers.filter((one) => one !== cleanupFinalizer);
    const after = withMeta(crd, { finalizers: rest.length === 0 ? undefined : rest });
    if (rest.length > 0) await this.#write(stored, after);
    else
      await this.#cluster.store.write(this.#ctx, {
        kind: 'delete',
        key: keyOf(this.#cluster.name, this.#definition, '', `${spec.names.plural}.${spec.group}`),
        expected: stored.revision,
        encode: (revision) => encodeAt(after, revision),
      });
  }

  /** Looks again when an object with finalizers goes. */
  #waitForInstances(key: string, prefix: string): void {
    const watch = this.#cluster.store.watch(prefix, this.#cluster.store.revision, (event) => {
      if (event.object !== undefined || this.#cluster.store.count(prefix) > 0) return;
      watch.close();
      this.#enqueue(key);
    });
    this.#cluster.onClose(() => watch.close());
  }

  async #deleteInstance(stored: StoredObject, definition: ResourceDefinition): Promise<void> {
    const object = parseStored(stored);
    if (object.metadata.deletionTimestamp !== undefined) return;
    const after = withMeta(object, {
      deletionTimestamp: timestamp(this.#ctx.clock.now()),
      deletionGracePeriodSeconds: 0,
    });
    const encode = (revision: number): Uint8Array => encodeAt(after, revision);
    const gone = (object.metadata.finalizers ?? []).length === 0;
    const place = { key: stored.key, expected: stored.revision };
    await this.#cluster.store.write(
      this.#ctx,
      gone
        ? { kind: 'delete', ...place, encode }
        : { kind: 'put', ...place, encode, index: indexOf(after, definition) },
    );
  }

  /** A conflict is no failure: the newer object comes as an event of its own. */
  async #write(stored: StoredObject, after: ApiObject): Promise<void> {
    await this.#cluster.store.write(this.#ctx, {
      kind: 'put',
      key: stored.key,
      expected: stored.revision,
      encode: (revision) => encodeAt(after, revision),
      index: indexOf(after, this.#definition),
    });
  }
}
