/** Which kinds an API server serves, CRDs included: what garbage collection and namespace deletion work over. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { discover } from '@polyanthus/kube-client/discovery';
import type { ResourceType } from '@polyanthus/kube-objects/resource';

/** A resource and its verbs. */
export interface ServedResource {
  readonly type: ResourceType;
  readonly verbs: readonly string[];
}

/** What is served, and what is not known. */
export interface Discovered {
  /** Each resource once, in the version that the server prefers. No subresources. */
  readonly resources: readonly ServedResource[];
  /** Group versions that did not answer. What they serve is unknown. */
  readonly failed: readonly string[];
}

/** Reads the discovery documents. Throws when the list of groups itself cannot be read. */
export async function discoverResources(ctx: Context, client: KubeClient): Promise<Discovered> {
  const { resources, stale } = await discover(ctx, client);
  const found = new Map<string, ServedResource>();
  for (const { group, version, resource, kind, namespaced, verbs } of resources) {
    const type: ResourceType = { group, version, resource, kind, namespaced };
    if (!found.has(nameOf(type))) found.set(nameOf(type), { type, verbs });
  }
  return { resources: [...found.values()], failed: stale.map(({ group, version }) => `${group}/${version}`) };
}

/** `deployments.apps`, or `pods` for the core group: one key a resource whatever its version. */
export function nameOf(type: Pick<ResourceType, 'group' | 'resource'>): string {
  return type.group === '' ? type.resource : `${type.resource}.${type.group}`;
}
