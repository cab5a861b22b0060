/** A copy of a cluster's objects as data: what sandboxes load and rehearsals plan on. Taken with get and list only. */
import { cancelled, type Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { discover, type DiscoveredResource } from '@polyanthus/kube-client/discovery';
import type { KubeList, KubeObject } from '@polyanthus/kube-objects/meta';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { isStatus, StatusError } from '@polyanthus/kube-objects/status';
import { sandboxErrors } from './errors.ts';
import { withoutSecretValues } from './secrets.ts';

/** A cluster's objects at one moment (each kind at its own, seconds apart). */
export interface Snapshot {
  readonly formatVersion: 1;
  /** RFC 3339, UTC. */
  readonly takenAt: string;
  readonly server: {
    /** As /version says it: `v1.36.3`. */
    readonly gitVersion: string;
  };
  /** What it was taken from, for people: a context's name, a membership. */
  readonly source: string;
  /** One entry for each listable kind that could be read, in the server's order; kinds without objects included. */
  readonly resources: readonly SnapshotResource[];
  /** What is not in it, and why; never silently empty. */
  readonly unread: readonly UnreadResource[];
}

/** All objects of one kind, in the version that the server prefers. */
export interface SnapshotResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** As served, apiVersion and kind set; without secret values (secrets.ts). */
  readonly objects: readonly KubeObject[];
}

/** A kind, or a whole version of a group (`plural` is `*`), that could not be read. */
export interface UnreadResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** The server's words. */
  readonly reason: string;
}

export interface SnapshotOptions {
  readonly source: string;
  /** Items a request; 500 by default, as kubectl. */
  readonly pageSize?: number;
  /** All objects together; 500,000 by default. More throw SnapshotTooLarge: half a copy would be taken for a whole one. */
  readonly objectsMax?: number;
}

const defaultPageSize = 500;
const defaultObjectsMax = 500_000;

/** Stored under another name as well: the same objects would be there twice. */
const sameObjectsAs: ReadonlySet<string> = new Set(['events.k8s.io/events']);

/**
 * Copies every listable kind of a cluster, one after the other: get and list are all it does, and each kind is consistent
 * in itself (kinds are seconds apart). What the caller may not read, or the server cannot give, is in `unread`. Throws
 * SnapshotTooLarge, and what discovery throws.
 */
export async function takeSnapshot(ctx: Context, client: KubeClient, options: SnapshotOptions): Promise<Snapshot> {
  const takenAt = new Date(ctx.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const [{ gitVersion = '' }, discovery] = await Promise.all([
    client.getJson<{ readonly gitVersion?: string }>(ctx, '/version'),
    discover(ctx, client),
  ]);
  const resources: SnapshotResource[] = [];
  const unread: UnreadResource[] = discovery.stale.map(({ group, version }) => ({
    group,
    version,
    plural: '*',
    reason: 'the API server could not discover this group version (its backend is away)',
  }));
  const budget = { left: options.objectsMax ?? defaultObjectsMax };
  for (const type of preferred(discovery.resources)) {
    try {
      const objects = await listAll(ctx, client, type, { pageSize: options.pageSize ?? defaultPageSize, budget });
      resources.push({ ...placeOf(type), kind: type.kind, namespaced: type.namespaced, objects });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      unread.push({ ...placeOf(type), reason: error.message });
    }
  }
  return { formatVersion: 1, takenAt, server: { gitVersion }, source: options.source, resources, unread };
}

/** The first version that lists, of every resource: discovery comes in the server's order of preference. */
function preferred(all: readonly DiscoveredResource[]): readonly DiscoveredResource[] {
  const found = new Map<string, DiscoveredResource>();
  for (const one of all) {
    const name = `${one.group}/${one.resource}`;
    if (one.verbs.includes('list') && !sameObjectsAs.has(name) && !found.has(name)) found.set(name, one);
  }
  return [...found.values()];
}

function placeOf(type: DiscoveredResource): Pick<SnapshotResource, 'group' | 'version' | 'plural'> {
  return { group: type.group, version: type.version, plural: type.resource };
}

interface ListBounds {
  readonly pageSize: number;
  /** Objects that may still come; shared by all kinds. */
  readonly budget: { left: number };
}

/** All pages of one consistent list; begins anew once when the server has forgotten the state that the pages are of. */
async function listAll(
  ctx: Context,
  client: KubeClient,
  type: DiscoveredResource,
  bounds: ListBounds,
): Promise<readonly KubeObject[]> {
  const before = bounds.budget.left;
  for (let restarted = false; ; restarted = true) {
    try {
      return await listOnce(ctx, client, type, bounds);
    } catch (error) {
      if (restarted || !(isStatus(error, 'Expired') || isStatus(error, 'Gone'))) throw error;
      bounds.budget.left = before;
    }
  }
}

async function listOnce(
  ctx: Context,
  client: KubeClient,
  type: DiscoveredResource,
  { pageSize, budget }: ListBounds,
): Promise<readonly KubeObject[]> {
  const objects: KubeObject[] = [];
  let token: string | undefined;
  do {
    if (ctx.signal.aborted) throw cancelled(ctx.signal);
    const page: KubeList = await client.list(ctx, type, { limit: pageSize, continue: token });
    for (const item of page.items) objects.push(copyOf(type, item));
    budget.left -= page.items.length;
    if (budget.left < 0)
      throw sandboxErrors.error(
        'SnapshotTooLarge',
        `the cluster has more objects than the bound allows; it was reached at ${type.resource} with ${objects.length} of them read`,
      );
    token = page.metadata.continue;
  } while (token !== undefined && token !== '');
  return objects;
}

function copyOf(type: DiscoveredResource, item: KubeObject): KubeObject {
  return withoutSecretValues(type.kind, { ...item, apiVersion: apiVersionOf(type), kind: type.kind });
}
