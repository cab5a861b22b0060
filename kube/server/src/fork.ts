/**
 * Logical clusters in memory that begin as views of an immutable base: what they do not write is shared, so that one with
 * thirty thousand pods is made as fast as an empty one (DESIGN section 4 "Embedded API server").
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ApiObject } from './api-object.ts';
import type { ClusterIdentity } from './access/identity.ts';
import { encodeAt, parseStored } from './encode.ts';
import { loadObjects, type LoadOutcome } from './load.ts';
import { openCluster, type ClusterOptions, type LogicalCluster } from './logical-cluster.ts';
import { builtinDefinitions } from './registry/builtin.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { indexDefinitions, type Registry } from './registry/registry.ts';
import { createMemoryStore, type FrozenContent } from './store/memory.ts';

/** All clusters of this file have this name inside: their keys must fit each other's stores. */
const inside = 'sandbox';

/** The whole state of a cluster at one moment; never changes. */
export interface ClusterBase {
  readonly content: FrozenContent;
  readonly kinds: Registry;
}

/** A cluster in memory that others can begin from. */
export interface ForkableCluster extends LogicalCluster {
  /** Its state now, in time that does not depend on its size. */
  freeze(): ClusterBase;
  /** How many objects it holds now. */
  objectCount(): number;
  /** Puts a copy of another cluster's objects in, as they are (load.ts). */
  load(ctx: Context, objects: readonly KubeObject[]): Promise<LoadOutcome>;
}

/** What a fork is made with. */
export interface ForkOptions extends Omit<ClusterOptions, 'identity'> {
  /** Of an earlier cluster; made when first needed by default. */
  readonly identity?: () => Promise<ClusterIdentity>;
  readonly random: Random;
  /** Absent: a new cluster, with the objects that every cluster has. */
  readonly base?: ClusterBase;
  /** History begins at this revision at least: clients of an earlier state must list again. */
  readonly revisionMin?: number;
  /** The uid of `kube-system` stays that of the base: for going back to an earlier state of the same cluster. */
  readonly sameCluster?: boolean;
}

let builtin: Promise<ReadonlyMap<string, ResourceDefinition>> | undefined;

/** A new cluster in memory. `ctx` gives its clock. */
export async function forkCluster(ctx: Context, options: ForkOptions): Promise<ForkableCluster> {
  const { base, random, revisionMin = 0, sameCluster = false, ...rest } = options;
  builtin ??= builtinDefinitions().then(indexDefinitions);
  const from = base === undefined ? undefined : contentOf(base, { random, revisionMin, sameCluster });
  const store = createMemoryStore({ clock: ctx.clock }, from);
  const opened = await openCluster(ctx, { ...rest, name: inside, store, random, builtin: await builtin }, base?.kinds);
  return {
    ...opened.logical,
    freeze: () => ({ content: store.freeze(), kinds: opened.cluster.registry.clone() }),
    objectCount: () => store.count(''),
    load: (inner, objects) =>
      loadObjects(inner, opened.cluster, opened.crds, objects as unknown as readonly ApiObject[]),
    close: async () => {
      await opened.logical.close();
      await store.close();
    },
  };
}

const kubeSystem = `${inside}//namespaces//kube-system`;

/** The uid of kube-system is taken as the cluster's own name in many places (fleets among them): a fork is not its origin. */
function contentOf(
  { content }: ClusterBase,
  { random, revisionMin, sameCluster }: Required<Pick<ForkOptions, 'random' | 'revisionMin' | 'sameCluster'>>,
): FrozenContent {
  const revision = Math.max(content.revision, revisionMin);
  const before = content.objects.get(kubeSystem);
  if (sameCluster || before === undefined) return { ...content, revision };
  const objects = content.objects.fork();
  const uid = random.uuid();
  const object = parseStored(before);
  const renamed: ApiObject = { ...object, metadata: { ...object.metadata, uid } };
  objects.set({ ...before, bytes: encodeAt(renamed, before.revision), index: { ...before.index, uid } });
  return { objects, revision };
}
