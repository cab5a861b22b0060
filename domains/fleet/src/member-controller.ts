/**
 * The agent's fleet role: follows one manifest at the hub and makes the member so, repairs what is changed there by
 * others, and reports. While the hub is away it goes on with the manifest that it knows.
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { clusterRoleBindings, namespaces, nodes, roleBindings } from '@polyanthus/kube-kinds/core';
import { membershipManifests, type MembershipManifest } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, fleetLabel } from '@polyanthus/kube-kinds/own/ownership';
import { runController, type ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { setCondition } from '@polyanthus/kube-runtime/conditions';
import { createInformer } from '@polyanthus/kube-runtime/informer';
import { joinKey } from '@polyanthus/kube-runtime/keys';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { actuate } from './actuate.ts';

/** Both ends of the role. */
export interface MemberControllerOptions {
  readonly hubClient: KubeClient;
  readonly memberClient: KubeClient;
  readonly fleet: string;
  readonly membership: string;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
}

/** Whatever the informers miss is put right after this time. */
const roundMs = 5 * 60_000;
/** Characters of a condition's message. */
const messageMax = 4_000;

/** Runs until the context is cancelled. */
export async function runMemberController(ctx: Context, options: MemberControllerOptions): Promise<void> {
  const { hubClient, memberClient, fleet, membership, random, metrics } = options;
  const key = joinKey(fleet, membership);
  const manifest = createInformer(hubClient, membershipManifests, {
    namespace: fleet,
    fieldSelector: `metadata.name=${membership}`,
    random,
    metrics,
  });
  const queue = new WorkQueue({ name: 'fleet-member', clock: ctx.clock, metrics });
  const ours = { labelSelector: `${fleetLabel}=${fleet}`, random, metrics };
  const watched = [
    createInformer(memberClient, namespaces, ours),
    createInformer(memberClient, roleBindings, ours),
    createInformer(memberClient, clusterRoleBindings, ours),
  ] as const;
  watchInto(manifest, queue, () => [key]);
  for (const informer of watched) {
    informer.onEvent({ onUpdate: () => queue.add(key), onDelete: () => queue.add(key) });
    informer.start(ctx);
  }
  manifest.start(ctx);
  await runController(ctx, {
    name: 'fleet-member',
    queue,
    informers: [manifest, ...watched],
    metrics,
    reconcile: (inner) => reconcile(inner, options, manifest.get(key)),
  });
}

/** Without a manifest nothing is touched: a hub that lost it must not empty its members. */
async function reconcile(
  ctx: Context,
  options: MemberControllerOptions,
  manifest: MembershipManifest | undefined,
): Promise<ReconcileResult | undefined> {
  if (manifest === undefined) return undefined;
  const done = await actuate(ctx, options.memberClient, options.fleet, manifest.spec);
  if (done.applied.length + done.removed.length > 0)
    ctx.log.info('member made as its manifest says', { applied: done.applied, removed: done.removed });
  const nodeCount = await countNodes(ctx, options.memberClient);
  const { observedGeneration, nodeCount: knownCount } = manifest.status ?? {};
  if (observedGeneration !== manifest.metadata.generation || (nodeCount !== undefined && nodeCount !== knownCount))
    await report(ctx, options, manifest, { refused: done.refused, nodeCount });
  return { requeueAfterMs: roundMs };
}

/** One node is read, the API counts the rest; undefined when it does not, or the agent may not ask. */
async function countNodes(ctx: Context, memberClient: KubeClient): Promise<number | undefined> {
  try {
    const { items, metadata } = await memberClient.list(ctx, nodes, { limit: 1 });
    const more = metadata.continue !== undefined && metadata.continue !== '';
    return more && metadata.remainingItemCount === undefined
      ? undefined
      : items.length + (metadata.remainingItemCount ?? 0);
  } catch (error) {
    ctx.log.debug('the nodes of the member could not be counted', { error });
    return undefined;
  }
}

async function report(
  ctx: Context,
  options: MemberControllerOptions,
  manifest: MembershipManifest,
  found: { readonly refused: readonly string[]; readonly nodeCount: number | undefined },
): Promise<void> {
  const { refused, nodeCount } = found;
  const generation = manifest.metadata.generation ?? 0;
  const counts = `${manifest.spec.namespaces.length} namespaces, ${manifest.spec.bindings.length} bindings`;
  const whole = refused.length === 0;
  const applied = {
    type: 'Applied',
    status: whole ? ('True' as const) : ('False' as const),
    reason: whole ? 'Applied' : 'Refused',
    message: whole ? counts : refused.join('; ').slice(0, messageMax),
    observedGeneration: generation,
  };
  const status = {
    observedGeneration: generation,
    ...(nodeCount === undefined ? {} : { nodeCount }),
    conditions: setCondition(manifest.status?.conditions, applied, ctx.clock.now()),
  };
  const key = { namespace: options.fleet, name: options.membership };
  await options.hubClient.patch(
    ctx,
    membershipManifests,
    key,
    { type: 'merge', body: { status } },
    { fieldManager, subresource: 'status' },
  );
}
