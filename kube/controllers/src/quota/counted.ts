/** The objects that quotas count: each kind is followed from the first quota on that names it. */
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { pods } from '@polyanthus/kube-kinds/core';
import { claimUsageChanged } from '@polyanthus/kube-kinds/quota/claims';
import { podUsageChanged } from '@polyanthus/kube-kinds/quota/pods';
import { serviceUsageChanged } from '@polyanthus/kube-kinds/quota/services';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { createInformer, type Informer } from '@polyanthus/kube-runtime/informer';
import { sharedIndexes } from '@polyanthus/kube-runtime/informers';
import type { ControllerEnv } from '../environment.ts';
import { discoverResources, nameOf } from '../resource-discovery.ts';

/** A kind that is not served may be the next time that somebody asks, this much later. */
const discoveryMs = 30_000;

/** Whether an update may give something back. Other kinds only count. */
const changes: Readonly<Record<string, (before: KubeObject, after: KubeObject, nowMs: number) => boolean>> = {
  pods: podUsageChanged,
  services: serviceUsageChanged,
  persistentvolumeclaims: claimUsageChanged,
};

/** Kinds by name: `pods`, `deployments.apps`. */
export class CountedKinds {
  readonly #ctx: Context;
  readonly #env: ControllerEnv;
  readonly #freed: (kind: string, namespace: string) => void;
  readonly #informers = new Map<string, Informer>();
  #served = new Map<string, ResourceType>();
  #readAtMs = -Infinity;

  /** `freed` hears where something may have been given back. */
  constructor(ctx: Context, env: ControllerEnv, freed: (kind: string, namespace: string) => void) {
    this.#ctx = ctx;
    this.#env = env;
    this.#freed = freed;
  }

  /** Follows the kinds, and waits until what there is of them is known. Kinds that nobody serves are left out. */
  async follow(ctx: Context, kinds: readonly string[]): Promise<void> {
    const missing = kinds.filter((kind) => !this.#informers.has(kind));
    if (missing.length > 0) await this.#discover(ctx);
    for (const kind of missing) this.#start(kind);
    const all = kinds.flatMap((kind) => this.#informers.get(kind)?.synced ?? []);
    await untilAborted(ctx, Promise.all(all));
  }

  /** The objects of a kind in a namespace, with the kind's type; undefined when it is not served. */
  objects(kind: string, namespace: string): { type: ResourceType; objects: readonly KubeObject[] } | undefined {
    const informer = this.#informers.get(kind);
    if (informer === undefined) return undefined;
    return { type: informer.type, objects: informer.byIndex('byNamespace', namespace) };
  }

  async #discover(ctx: Context): Promise<void> {
    const nowMs = ctx.clock.monotonic();
    if (nowMs - this.#readAtMs < discoveryMs) return;
    this.#readAtMs = nowMs;
    const { resources } = await discoverResources(ctx, this.#env.client);
    // As quotas can count them: made, listed and deleted in namespaces.
    const countable = resources.filter(
      ({ type, verbs }) =>
        type.namespaced && ['create', 'list', 'watch', 'delete'].every((verb) => verbs.includes(verb)),
    );
    this.#served = new Map(countable.map(({ type }) => [nameOf(type), type]));
  }

  #start(kind: string): void {
    const type = this.#served.get(kind);
    if (type === undefined) return;
    const informer = kind === 'pods' ? (this.#env.informers.of(pods) as unknown as Informer) : this.#own(kind, type);
    const free = (object: KubeObject): void => this.#freed(kind, object.metadata.namespace ?? '');
    informer.onEvent({
      onUpdate: (before, after) => {
        if (changes[kind]?.(before, after, this.#ctx.clock.now()) === true) free(after);
      },
      onDelete: free,
    });
    this.#informers.set(kind, informer);
  }

  #own(kind: string, type: ResourceType): Informer {
    const { client, random, metrics } = this.#env;
    const transform = Object.hasOwn(changes, kind) ? {} : { transform: nameOnly };
    const informer = createInformer(client, type, { random, metrics, indexes: sharedIndexes, ...transform });
    informer.start(this.#ctx);
    return informer;
  }
}

function nameOnly({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  const kept = { name, namespace, uid, resourceVersion };
  return { apiVersion, kind, metadata: kept as KubeObject['metadata'] };
}
