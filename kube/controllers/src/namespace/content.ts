/** Deletes what a namespace holds, kind by kind as discovery tells, and counts what is left. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { pods } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { discoverResources, nameOf, type ServedResource } from '../resource-discovery.ts';
import type { Sweep } from './conditions.ts';

interface Tally {
  readonly failures: string[];
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
  podGraceSeconds: number;
}

/** One sweep. Pods go first and alone: what they use (secrets, policies, claims) must outlive them. */
export async function sweepNamespace(ctx: Context, client: KubeClient, namespace: string): Promise<Sweep> {
  const { resources, failed } = await discoverResources(ctx, client);
  const tally: Tally = { failures: [], remaining: new Map(), finalizers: new Map(), podGraceSeconds: 0 };
  const deletable = resources.filter(
    ({ type, verbs }) => type.namespaced && verbs.includes('delete') && verbs.includes('list'),
  );
  const isPods = ({ type }: ServedResource): boolean => nameOf(type) === nameOf(pods);
  for (const served of deletable.filter(isPods)) await sweepKind(ctx, client, namespace, served, tally);
  if (tally.remaining.size === 0 && tally.failures.length === 0) {
    for (const served of deletable) if (!isPods(served)) await sweepKind(ctx, client, namespace, served, tally);
  }
  return { ...tally, undiscovered: failed };
}

/** A kind that vanished since discovery (404, 405) holds nothing. */
async function sweepKind(
  ctx: Context,
  client: KubeClient,
  namespace: string,
  { type, verbs }: ServedResource,
  tally: Tally,
): Promise<void> {
  try {
    if ((await client.list(ctx, type, { namespace, limit: 1 })).items.length === 0) return;
    await removeAll(ctx, client, namespace, type, verbs.includes('deletecollection'));
    const left = await client.listAll(ctx, type, { namespace });
    count(type, left.items, tally);
  } catch (error) {
    if (hasCode(error, 'NotFound') || hasCode(error, 'MethodNotAllowed')) return;
    if (ctx.signal.aborted) throw error;
    tally.failures.push(describeError(error));
  }
}

async function removeAll(
  ctx: Context,
  client: KubeClient,
  namespace: string,
  type: ResourceType,
  collection: boolean,
): Promise<void> {
  if (collection) {
    await client.deleteCollection(ctx, type, { namespace }, { propagationPolicy: 'Background' });
    return;
  }
  for (const object of (await client.listAll(ctx, type, { namespace })).items) {
    await unlessGone(
      client.delete(ctx, type, { namespace, name: object.metadata.name ?? '' }, { propagationPolicy: 'Background' }),
    );
  }
}

function count(type: ResourceType, items: readonly KubeObject[], tally: Tally): void {
  if (items.length === 0) return;
  // With the dot even for the core group: the wording that users search for.
  tally.remaining.set(`${type.resource}.${type.group}`, items.length);
  for (const item of items) {
    for (const finalizer of item.metadata.finalizers ?? [])
      tally.finalizers.set(finalizer, (tally.finalizers.get(finalizer) ?? 0) + 1);
    if (nameOf(type) === nameOf(pods))
      tally.podGraceSeconds = Math.max(tally.podGraceSeconds, item.metadata.deletionGracePeriodSeconds ?? 0);
  }
}
