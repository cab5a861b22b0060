/** One informer for each type, namespace and selector of a process: whoever asks for the same one shares it. */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import { untilAborted } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { createInformer, type Informer } from './informer.ts';

/** Which objects of a type; absent fields mean all. */
export interface InformerScope {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** The shared informers of one client. */
export interface Informers {
  /** The shared informer; started at once when the factory is. Its indexes are `byOwner` (controller uid), `orphans`, `byNamespace` and `byNode`. */
  of<T extends KubeObject>(type: ResourceType<T>, scope?: InformerScope): Informer<T>;
  /** Starts all informers, and those asked for later. */
  start(ctx: Context): void;
  /** Resolves when every informer asked for so far has synced. */
  synced(ctx: Context): Promise<void>;
}

/** Index values that every shared informer has. */
export const sharedIndexes = {
  byOwner: (object: KubeObject): readonly string[] => {
    const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
    return owner === undefined ? [] : [owner.uid];
  },
  /** Objects that nobody controls, by namespace: what may be adopted. */
  orphans: (object: KubeObject): readonly string[] =>
    object.metadata.ownerReferences?.some((reference) => reference.controller === true) === true
      ? []
      : [object.metadata.namespace ?? ''],
  byNamespace: (object: KubeObject): readonly string[] => [object.metadata.namespace ?? ''],
  /** Pods by the node that they are bound to. */
  byNode: (object: KubeObject): readonly string[] => {
    const { nodeName } = (object as { readonly spec?: { readonly nodeName?: unknown } }).spec ?? {};
    return typeof nodeName === 'string' && nodeName !== '' ? [nodeName] : [];
  },
} as const;

/** Makes a factory on one client. */
export function createInformers(
  client: KubeClient,
  options: {
    readonly random: Random;
    readonly metrics?: MetricsRegistry;
    readonly freeze?: boolean;
    readonly progressTimeoutMs?: number;
  },
): Informers {
  const known = new Map<string, Informer>();
  let running: Context | undefined;
  return {
    of: <T extends KubeObject>(type: ResourceType<T>, scope: InformerScope = {}): Informer<T> => {
      const key = JSON.stringify([
        type.group,
        type.version,
        type.resource,
        scope.namespace,
        scope.labelSelector,
        scope.fieldSelector,
      ]);
      let informer = known.get(key) as Informer<T> | undefined;
      if (informer === undefined) {
        informer = createInformer<T>(client, type, { ...options, ...scope, indexes: sharedIndexes });
        known.set(key, informer as unknown as Informer);
        if (running !== undefined) informer.start(running);
      }
      return informer;
    },
    start: (ctx) => {
      running = ctx;
      for (const informer of known.values()) informer.start(ctx);
    },
    synced: async (ctx) => {
      await untilAborted(ctx, Promise.all([...known.values()].map((informer) => informer.synced)));
    },
  };
}
