/**
 * What happens to one object when its owners change (kube-controller-manager's garbagecollector.go). Everything is decided
 * on fresh reads: the graph only says where to look.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { unlessGone } from '@polyanthus/kube-client/gone';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import { commit } from '@polyanthus/kube-runtime/committer';
import { hasFinalizer, withoutFinalizer } from '@polyanthus/kube-runtime/finalizers';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { ControllerEnv } from '../environment.ts';
import { controllersErrors } from '../errors.ts';
import { foregroundFinalizer, nodeOf, orphanFinalizer, type GraphNode, type OwnerGraph } from './graph.ts';
import type { Monitors } from './monitors.ts';

/** What a look at an object reads and wakes. */
export interface CollectScope {
  readonly env: ControllerEnv;
  readonly graph: OwnerGraph;
  readonly monitors: Pick<Monitors, 'kindOf'>;
  /** Looks at another object soon. */
  readonly enqueue: (uid: string) => void;
  /** Owners that were found to be gone; uids never come back. */
  readonly absent: Map<string, true>;
}

/** Owners remembered as gone. */
const absentMax = 500;
/** An owner that lives but was not seen by a monitor yet is looked at again. */
const unseenOwnerMs = 2000;

/** One look at one object. */
export async function collect(ctx: Context, scope: CollectScope, uid: string): Promise<ReconcileResult | void> {
  const node = scope.graph.get(uid);
  if (node === undefined) return undefined;
  const live = await readLive(ctx, scope, node);
  if (live === undefined) {
    forget(scope, node);
    return undefined;
  }
  const now = nodeOf(node.type, live);
  if (now.orphansDependents) return orphanDependents(ctx, scope, now, live);
  if (now.waitsForDependents) return finishForeground(ctx, scope, now, live);
  if (now.deleting || now.owners.length === 0) return undefined;
  return judgeOwners(ctx, scope, now, live);
}

/** The object itself, if it is the same one still. */
async function readLive(
  ctx: Context,
  scope: CollectScope,
  node: Pick<GraphNode, 'type' | 'namespace' | 'name' | 'uid'>,
): Promise<KubeObject | undefined> {
  try {
    const live = await scope.env.client.get(ctx, node.type, { namespace: node.namespace, name: node.name });
    return live.metadata.uid === node.uid ? live : undefined;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** The object is gone: its dependents and the owners that waited for it are looked at. */
export function forget(scope: Pick<CollectScope, 'graph' | 'enqueue'>, node: GraphNode): void {
  const dependents = scope.graph.dependentsOf(node.uid);
  scope.graph.remove(node.uid);
  for (const dependent of dependents) scope.enqueue(dependent.uid);
  for (const owner of node.owners)
    if (scope.graph.get(owner.uid)?.waitsForDependents === true) scope.enqueue(owner.uid);
}

/** Orphaning: the dependents lose the reference, then the object loses its finalizer. */
async function orphanDependents(ctx: Context, scope: CollectScope, node: GraphNode, live: KubeObject): Promise<void> {
  for (const dependent of scope.graph.dependentsOf(node.uid)) {
    const object = await readLive(ctx, scope, dependent);
    if (object === undefined) continue;
    await rewriteOwners(
      ctx,
      scope,
      dependent,
      object,
      (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== node.uid),
    );
  }
  await dropFinalizer(ctx, scope, node, live, orphanFinalizer);
}

/** Foreground: once nothing blocks any more the finalizer goes; until then the blocking dependents are deleted. */
async function finishForeground(ctx: Context, scope: CollectScope, node: GraphNode, live: KubeObject): Promise<void> {
  const blocking = scope.graph.blockingDependentsOf(node.uid);
  if (blocking.length === 0) return dropFinalizer(ctx, scope, node, live, foregroundFinalizer);
  for (const dependent of blocking) if (!dependent.waitsForDependents) scope.enqueue(dependent.uid);
}

interface Judged {
  readonly solid: readonly OwnerReference[];
  readonly dangling: readonly OwnerReference[];
  /** Owners in foreground deletion, where this object blocks them. */
  readonly waiting: readonly OwnerReference[];
  /** A living owner that no monitor has told of: its end could be missed. */
  readonly unseen: boolean;
}

async function judgeOwners(
  ctx: Context,
  scope: CollectScope,
  node: GraphNode,
  live: KubeObject,
): Promise<ReconcileResult | void> {
  const judged = await judge(ctx, scope, node);
  const again = judged.unseen ? { requeueAfterMs: unseenOwnerMs } : undefined;
  const over = [...judged.dangling, ...judged.waiting];
  if (judged.solid.length > 0) {
    // The others still want it: only the references that mean nothing any more go.
    if (over.length > 0) await rewriteOwners(ctx, scope, node, live, judged.solid);
    return again;
  }
  if (judged.waiting.length === 0) {
    await remove(ctx, scope, node, live, policyOf(live));
    return undefined;
  }
  const dependents = scope.graph.dependentsOf(node.uid);
  // A circle of foreground deletions would wait for itself for ever.
  if (dependents.some((dependent) => dependent.waitsForDependents)) {
    await rewriteOwners(
      ctx,
      scope,
      node,
      live,
      node.owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
    );
    return { requeueAfterMs: 1 };
  }
  await remove(ctx, scope, node, live, dependents.length > 0 ? 'Foreground' : policyOf(live));
  return undefined;
}

async function judge(ctx: Context, scope: CollectScope, node: GraphNode): Promise<Judged> {
  const solid: OwnerReference[] = [];
  const dangling: OwnerReference[] = [];
  const waiting: OwnerReference[] = [];
  let unseen = false;
  for (const owner of node.owners) {
    const found = await findOwner(ctx, scope, node, owner);
    if (found === undefined) {
      dangling.push(owner);
      continue;
    }
    if (found.metadata.deletionTimestamp !== undefined && hasFinalizer(found, foregroundFinalizer)) waiting.push(owner);
    else solid.push(owner);
    unseen ||= scope.graph.get(owner.uid) === undefined;
  }
  return { solid, dangling, waiting, unseen };
}

/** The living owner, or undefined when it is gone. An owner of a kind that is not served is an error, never "gone". */
async function findOwner(
  ctx: Context,
  scope: CollectScope,
  node: GraphNode,
  owner: OwnerReference,
): Promise<KubeObject | undefined> {
  if (scope.absent.has(owner.uid)) return undefined;
  const type = scope.monitors.kindOf(owner.apiVersion, owner.kind);
  const subject = `${node.type.resource} ${node.namespace === undefined ? '' : `${node.namespace}/`}${node.name}`;
  if (type === undefined) {
    throw controllersErrors.error(
      'OwnerKindUnknown',
      `${subject}: its owner ${owner.kind} ${owner.name} is of ${owner.apiVersion}, which the API server does not serve`,
    );
  }
  if (type.namespaced && node.namespace === undefined) {
    throw controllersErrors.error(
      'OwnerKindUnknown',
      `${subject} is cluster-scoped and names the namespaced owner ${owner.kind} ${owner.name}; it is never collected`,
    );
  }
  const live = await readLive(ctx, scope, {
    type,
    namespace: type.namespaced ? node.namespace : undefined,
    name: owner.name,
    uid: owner.uid,
  });
  if (live === undefined) rememberAbsent(scope, owner.uid);
  return live;
}

/** Notes that a uid is gone for good. */
export function rememberAbsent(scope: Pick<CollectScope, 'absent'>, uid: string): void {
  scope.absent.set(uid, true);
  if (scope.absent.size <= absentMax) return;
  const oldest = scope.absent.keys().next();
  if (oldest.done !== true) scope.absent.delete(oldest.value);
}

type Propagation = 'Orphan' | 'Background' | 'Foreground';

/** A finalizer on the object says what its own dependents shall see. */
function policyOf(live: KubeObject): Propagation {
  if (hasFinalizer(live, orphanFinalizer)) return 'Orphan';
  return hasFinalizer(live, foregroundFinalizer) ? 'Foreground' : 'Background';
}

async function remove(
  ctx: Context,
  scope: CollectScope,
  node: GraphNode,
  live: KubeObject,
  propagationPolicy: Propagation,
): Promise<void> {
  const { resourceVersion } = live.metadata;
  // With the version too: an owner reference that was added a moment ago must save the object.
  const preconditions = { uid: node.uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
  try {
    await scope.env.client.delete(
      ctx,
      node.type,
      { namespace: node.namespace, name: node.name },
      { propagationPolicy, preconditions },
    );
    ctx.log.info('collected an object without owners', {
      resource: node.type.resource,
      namespace: node.namespace,
      name: node.name,
      propagationPolicy,
    });
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}

async function rewriteOwners(
  ctx: Context,
  scope: CollectScope,
  node: Pick<GraphNode, 'type'>,
  before: KubeObject,
  owners: readonly OwnerReference[],
): Promise<void> {
  const { ownerReferences: _before, ...rest } = before.metadata;
  const metadata = owners.length === 0 ? rest : { ...rest, ownerReferences: owners };
  await write(ctx, scope, node, before, { ...before, metadata });
}

async function dropFinalizer(
  ctx: Context,
  scope: CollectScope,
  node: Pick<GraphNode, 'type'>,
  live: KubeObject,
  finalizer: string,
): Promise<void> {
  await write(ctx, scope, node, live, withoutFinalizer(live, finalizer));
}

async function write(
  ctx: Context,
  scope: CollectScope,
  node: Pick<GraphNode, 'type'>,
  before: KubeObject,
  after: KubeObject,
): Promise<void> {
  await unlessGone(commit(ctx, scope.env.client, node.type, { before, after }));
}
