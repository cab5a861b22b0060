/** Which kinds an API server serves, CRDs included: what garbage collection and namespace deletion work over. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { resourceType, type ResourceType } from '@polyanthus/kube-objects/resource';

export interface ServedResource {
  readonly type: ResourceType;
  readonly verbs: readonly string[];
}

export interface Discovered {
  /** Each resource once, in its group's preferred version where that serves it. No subresources. */
  readonly resources: readonly ServedResource[];
  /** Group versions that did not answer, with the reason. What they serve is unknown. */
  readonly failed: readonly { readonly groupVersion: string; readonly message: string }[];
}

interface ApiGroupList {
  readonly groups?: readonly {
    readonly name: string;
    readonly versions?: readonly { readonly version: string }[];
    readonly preferredVersion?: { readonly version: string };
  }[];
}
interface ApiResourceList {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs?: readonly string[];
  }[];
}

/** Group versions asked for at once. */
const parallelMax = 8;

/** Reads the discovery documents. Throws when the list of groups itself cannot be read. */
export async function discoverResources(ctx: Context, client: KubeClient): Promise<Discovered> {
  const groups = await client.getJson<ApiGroupList>(ctx, '/apis');
  const wanted = [{ group: '', version: 'v1' }];
  for (const group of groups.groups ?? []) {
    const preferred = group.preferredVersion?.version;
    const versions = (group.versions ?? []).map((each) => each.version);
    const ordered =
      preferred === undefined ? versions : [preferred, ...versions.filter((version) => version !== preferred)];
    for (const version of ordered) wanted.push({ group: group.name, version });
  }
  const found = new Map<string, ServedResource>();
  const failed: { groupVersion: string; message: string }[] = [];
  for (let start = 0; start < wanted.length; start += parallelMax) {
    const part = wanted.slice(start, start + parallelMax);
    const answers = await Promise.allSettled(part.map((each) => resourcesOf(ctx, client, each.group, each.version)));
    answers.forEach((answer, index) => {
      const { group, version } = part[index] ?? { group: '', version: '' };
      if (answer.status === 'rejected')
        failed.push({
          groupVersion: group === '' ? version : `${group}/${version}`,
          message: answer.reason instanceof Error ? answer.reason.message : String(answer.reason),
        });
      else
        for (const served of answer.value) if (!found.has(nameOf(served.type))) found.set(nameOf(served.type), served);
    });
  }
  return { resources: [...found.values()], failed };
}

/** `deployments.apps`, or `pods` for the core group: one key a resource whatever its version. */
export function nameOf(type: ResourceType): string {
  return type.group === '' ? type.resource : `${type.resource}.${type.group}`;
}

async function resourcesOf(
  ctx: Context,
  client: KubeClient,
  group: string,
  version: string,
): Promise<readonly ServedResource[]> {
  const list = await client.getJson<ApiResourceList>(
    ctx,
    group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
  );
  return (list.resources ?? [])
    .filter((resource) => !resource.name.includes('/'))
    .map((resource) => ({
      type: resourceType(group, version, resource.name, resource.kind, resource.namespaced),
      verbs: resource.verbs ?? [],
    }));
}
