/** What a server serves: aggregated discovery (v2), with the older documents where a server has only those. */
import type { Context } from '@polyanthus/ground-base/context';
import { apiVersionOf, type ResourceType } from '@polyanthus/kube-objects/resource';
import { StatusError } from '@polyanthus/kube-objects/status';
import type { KubeClient } from './client.ts';
import { clientErrors } from './errors.ts';

/** One resource as discovery tells it. */
export interface DiscoveredResource extends ResourceType {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  /** Names below the resource: `status`, `scale`, `log`. */
  readonly subresources: readonly string[];
}

/** A version whose discovery could not be read, usually because an aggregated API server is away. */
export interface StaleGroup {
  readonly group: string;
  readonly version: string;
}

/** Groups, versions and resources, each in the server's order of preference. */
export interface Discovery {
  readonly resources: readonly DiscoveredResource[];
  readonly stale: readonly StaleGroup[];
}

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const accept = `${aggregated},application/json;q=0.9`;

/** Asks the server. Throws what the client throws; groups that cannot be read are in `stale`. */
export async function discover(ctx: Context, client: KubeClient): Promise<Discovery> {
  const [core, groups] = await Promise.all([
    client.getJson<Root>(ctx, '/api', accept),
    client.getJson<Root>(ctx, '/apis', accept),
  ]);
  const parts = await Promise.all([readRoot(ctx, client, core, true), readRoot(ctx, client, groups, false)]);
  return { resources: parts.flatMap((part) => part.resources), stale: parts.flatMap((part) => part.stale) };
}

/** Looks kinds and names up in one discovery. */
export interface ResourceMapper {
  readonly discovery: Discovery;
  /** The type of an object's apiVersion and kind. Throws KindUnknown. */
  forKind(apiVersion: string, kind: string): DiscoveredResource;
  /** `pods`, `po`, `pod`, `deployments.apps`, `deployments.v1.apps`: the preferred match. Throws KindUnknown. */
  forName(name: string): DiscoveredResource;
}

/** Makes the mapper; names are matched as kubectl does, short names after all others. */
export function resourceMapper(discovery: Discovery): ResourceMapper {
  const { resources, stale } = discovery;
  return {
    discovery,
    forKind: (apiVersion, kind) =>
      resources.find((one) => one.kind === kind && apiVersionOf(one) === apiVersion) ??
      unknown(`${kind} in ${apiVersion}`, stale),
    forName: (name) => {
      const wanted = name.toLowerCase();
      return matching(resources, wanted) ?? unknown(JSON.stringify(name), stale);
    },
  };
}

function matching(resources: readonly DiscoveredResource[], wanted: string): DiscoveredResource | undefined {
  const [resource = '', ...rest] = wanted.split('.');
  const [version = '', ...group] = rest;
  const places: readonly ((one: DiscoveredResource) => boolean)[] =
    rest.length === 0
      ? [() => true]
      : [(one) => one.version === version && one.group === group.join('.'), (one) => one.group === rest.join('.')];
  for (const names of [
    (one: DiscoveredResource) => [one.resource, one.singular, one.kind.toLowerCase()],
    (one: DiscoveredResource) => one.shortNames,
  ]) {
    for (const place of places) {
      const found = resources.find((one) => place(one) && names(one).includes(resource));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function unknown(what: string, stale: readonly StaleGroup[]): never {
  const away = stale.map((one) => apiVersionOf(one)).join(', ');
  throw clientErrors.error(
    'KindUnknown',
    `the server has no resource type ${what}${away === '' ? '' : ` (these groups did not answer: ${away})`}`,
  );
}

interface AggregatedResource {
  readonly resource: string;
  readonly responseKind?: { readonly group?: string; readonly version?: string; readonly kind?: string };
  readonly scope: 'Cluster' | 'Namespaced';
  readonly singularResource?: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly { readonly subresource: string }[];
}

interface Root {
  readonly kind?: string;
  /** Aggregated. */
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version: string;
      readonly freshness?: string;
      readonly resources?: readonly AggregatedResource[];
    }[];
  }[];
  /** Core, unaggregated. */
  readonly versions?: readonly string[];
  /** Groups, unaggregated. */
  readonly groups?: readonly {
    readonly name: string;
    readonly versions: readonly { readonly version: string }[];
    readonly preferredVersion?: { readonly version: string };
  }[];
}

async function readRoot(ctx: Context, client: KubeClient, root: Root, core: boolean): Promise<Discovery> {
  if (root.kind === 'APIGroupDiscoveryList') return readAggregated(root);
  const versions = core ? (root.versions ?? []).map((version) => ({ group: '', version })) : groupVersions(root);
  const parts = await Promise.all(versions.map((one) => readVersion(ctx, client, one)));
  return { resources: parts.flatMap((part) => part.resources), stale: parts.flatMap((part) => part.stale) };
}

function readAggregated(root: Root): Discovery {
  const resources: DiscoveredResource[] = [];
  const stale: StaleGroup[] = [];
  for (const item of root.items ?? []) {
    const group = item.metadata?.name ?? '';
    for (const { version, freshness, resources: found } of item.versions ?? []) {
      if (freshness === 'Stale') stale.push({ group, version });
      for (const one of found ?? []) resources.push(fromAggregated(group, version, one));
    }
  }
  return { resources, stale };
}

function fromAggregated(group: string, version: string, one: AggregatedResource): DiscoveredResource {
  const kind = one.responseKind?.kind ?? '';
  return {
    group,
    version,
    resource: one.resource,
    kind,
    namespaced: one.scope === 'Namespaced',
    singular: one.singularResource ?? kind.toLowerCase(),
    shortNames: one.shortNames ?? [],
    categories: one.categories ?? [],
    verbs: one.verbs ?? [],
    subresources: (one.subresources ?? []).map((sub) => sub.subresource),
  };
}

function groupVersions(root: Root): StaleGroup[] {
  return (root.groups ?? []).flatMap(({ name, versions, preferredVersion }) => {
    const first = versions.filter((one) => one.version === preferredVersion?.version);
    const rest = versions.filter((one) => one.version !== preferredVersion?.version);
    return [...first, ...rest].map(({ version }) => ({ group: name, version }));
  });
}

interface OldResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

async function readVersion(ctx: Context, client: KubeClient, at: StaleGroup): Promise<Discovery> {
  try {
    const path = at.group === '' ? `/api/${at.version}` : `/apis/${at.group}/${at.version}`;
    const { resources = [] } = await client.getJson<{ readonly resources?: readonly OldResource[] }>(ctx, path);
    const names = resources.map((one) => one.name);
    return {
      resources: resources.filter((one) => !one.name.includes('/')).map((one) => fromOld(at, one, names)),
      stale: [],
    };
  } catch (error) {
    // One aggregated API server that is away does not hide the rest.
    if (!(error instanceof StatusError) || error.httpStatus < 500) throw error;
    ctx.log.warn('a group version could not be discovered', { group: at.group, version: at.version, error });
    return { resources: [], stale: [at] };
  }
}

function fromOld(at: StaleGroup, one: OldResource, names: readonly string[]): DiscoveredResource {
  return {
    ...at,
    resource: one.name,
    kind: one.kind,
    namespaced: one.namespaced,
    singular: one.singularName === undefined || one.singularName === '' ? one.kind.toLowerCase() : one.singularName,
    shortNames: one.shortNames ?? [],
    categories: one.categories ?? [],
    verbs: one.verbs ?? [],
    subresources: names
      .filter((name) => name.startsWith(`${one.name}/`))
      .map((name) => name.slice(one.name.length + 1)),
  };
}
