/** Discovery: what this cluster serves, as the old documents (/api, /apis, /apis/g/v) and as the aggregated one. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer } from './answers.ts';
import { acceptedRanges } from './negotiation.ts';
import type { DocumentRequest } from './document-request.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Registry } from './registry/registry.ts';
import { sharedCache } from './registry/shared-cache.ts';
import { compareVersions, groupPriority } from './version-order.ts';

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Undefined for paths that are no discovery. */
export function serveDiscovery({ cluster, request }: DocumentRequest, path: string): ServerResponse | undefined {
  const { registry } = cluster;
  const parts = path.split('/').filter((part) => part !== '');
  if (path === '/') return jsonAnswer(200, { paths: rootPaths(registry) });
  const wantsAggregated = acceptedRanges(request).some(
    ({ type, parameters }) =>
      type === 'application/json' && parameters['as'] === 'APIGroupDiscoveryList' && parameters['v'] === 'v2',
  );
  if (parts.length === 1 && (parts[0] === 'api' || parts[0] === 'apis')) {
    if (wantsAggregated)
      return jsonAnswer(200, aggregated(registry)[parts[0] === 'api' ? 'core' : 'named'], {
        'content-type': aggregatedType,
        vary: 'Accept',
      });
    return jsonAnswer(
      200,
      parts[0] === 'api'
        ? coreVersions
        : {
            kind: 'APIGroupList',
            apiVersion: 'v1',
            groups: groupsOf(registry).map((group) => groupDocument(registry, group)),
          },
    );
  }
  if (parts[0] === 'api' && parts[1] === 'v1' && parts.length === 2)
    return jsonAnswer(200, resourceList(registry, '', 'v1'));
  if (parts[0] !== 'apis') return undefined;
  const [, group = '', version] = parts;
  if (!groupsOf(registry).includes(group)) return undefined;
  if (version === undefined)
    return jsonAnswer(200, { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(registry, group) });
  if (parts.length > 3 || !versionsOf(registry, group).includes(version)) return undefined;
  return jsonAnswer(200, resourceList(registry, group, version));
}

const coreVersions = {
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '' }],
};

/** Named groups, in the order of kube-apiserver: built-in ones first, then custom ones by name. */
function groupsOf(registry: Registry): string[] {
  const groups = new Set(registry.all().map(({ type }) => type.group));
  groups.delete('');
  return [...groups].toSorted((a, b) => groupPriority(b) - groupPriority(a) || (a < b ? -1 : 1));
}

function versionsOf(registry: Registry, group: string): string[] {
  const versions = new Set(
    registry
      .all()
      .filter(({ type }) => type.group === group)
      .map(({ type }) => type.version),
  );
  return [...versions].toSorted(compareVersions);
}

function definitionsOf(registry: Registry, group: string, version: string): ResourceDefinition[] {
  return registry
    .all()
    .filter(({ type }) => type.group === group && type.version === version)
    .toSorted((a, b) => (a.type.resource < b.type.resource ? -1 : 1));
}

function groupDocument(registry: Registry, group: string): object {
  const versions = versionsOf(registry, group).map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

function resourceList(registry: Registry, group: string, version: string): object {
  const groupVersion = group === '' ? version : `${group}/${version}`;
  const resources = definitionsOf(registry, group, version).flatMap((definition) => legacyResources(definition));
  return { kind: 'APIResourceList', ...(group === '' ? {} : { apiVersion: 'v1' }), groupVersion, resources };
}

/** Tells clients when the storage version changes (apiserver StorageVersionHash). */
function storageHash({ storage, type }: ResourceDefinition): string {
  const text = `${storage.group}/${storage.version}/${type.kind}`;
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64');
}

function legacyResources(definition: ResourceDefinition): object[] {
  const { type, singular, shortNames, categories, verbs, subresources } = definition;
  return [
    {
      name: type.resource,
      singularName: singular,
      namespaced: type.namespaced,
      kind: type.kind,
      verbs,
      ...(shortNames.length === 0 ? {} : { shortNames }),
      ...(categories.length === 0 ? {} : { categories }),
      ...(verbs.includes('list') ? { storageVersionHash: storageHash(definition) } : {}),
    },
    ...[...subresources.values()].map((one) => ({
      name: `${type.resource}/${one.name}`,
      singularName: '',
      namespaced: type.namespaced,
      ...(one.group === '' ? {} : { group: one.group }),
      ...(one.version === '' ? {} : { version: one.version }),
      kind: one.kind,
      verbs: one.verbs,
    })),
  ];
}

const aggregated = sharedCache((registry) => ({
  core: aggregatedList([{ metadata: { creationTimestamp: null }, versions: [aggregatedVersion(registry, '', 'v1')] }]),
  named: aggregatedList(
    groupsOf(registry).map((group) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versionsOf(registry, group).map((version) => aggregatedVersion(registry, group, version)),
    })),
  ),
}));

const aggregatedList = (items: readonly object[]): object => ({
  kind: 'APIGroupDiscoveryList',
  apiVersion: 'apidiscovery.k8s.io/v2',
  metadata: {},
  items,
});

function aggregatedVersion(registry: Registry, group: string, version: string): object {
  return {
    version,
    freshness: 'Current',
    resources: definitionsOf(registry, group, version).map((definition) => {
      const { type } = definition;
      const subresources = [...definition.subresources.values()].map((one) => ({
        subresource: one.name,
        responseKind: {
          group: one.group === '' && one.version === '' ? type.group : one.group,
          version: one.version === '' ? type.version : one.version,
          kind: one.kind,
        },
        verbs: one.verbs,
      }));
      return {
        resource: type.resource,
        responseKind: { group: type.group, version: type.version, kind: type.kind },
        scope: type.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: definition.singular,
        verbs: definition.verbs,
        ...(definition.shortNames.length === 0 ? {} : { shortNames: definition.shortNames }),
        ...(definition.categories.length === 0 ? {} : { categories: definition.categories }),
        ...(subresources.length === 0 ? {} : { subresources }),
      };
    }),
  };
}

function rootPaths(registry: Registry): string[] {
  const groups = groupsOf(registry).flatMap((group) => [
    `/apis/${group}`,
    ...versionsOf(registry, group).map((version) => `/apis/${group}/${version}`),
  ]);
  return [
    '/api',
    '/api/v1',
    '/apis',
    ...groups.toSorted(),
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
  ];
}
