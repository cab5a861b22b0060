/** From a CustomResourceDefinition to what the verbs know of a resource. */
import { crdColumns, type PrinterColumn } from '@polyanthus/kube-kinds/columns';
import type { CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import { schemaFromCrd } from '@polyanthus/kube-objects/schema-from';
import type { ApiObject } from '../api-object.ts';
import { subdomainName } from '../metadata.ts';
import { customTypeName } from '../openapi/custom.ts';
import type { Conversion, ResourceDefinition, ScalePaths, Subresource } from '../registry/definition.ts';

type CrdSpec = CustomResourceDefinition['spec'];
type CrdVersion = CrdSpec['versions'][number];

/** In the order of kube-apiserver's discovery. */
const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];

/** Definitions of all served versions; empty when none is served. `ending`: nothing new may be created. */
export function crdDefinitions(crd: CustomResourceDefinition, ending: boolean): ResourceDefinition[] {
  const { spec } = crd;
  const storage = spec.versions.find((version) => version.storage);
  if (storage === undefined) return [];
  return spec.versions
    .filter((version) => version.served)
    .map((version) => versionDefinition(spec, version, storage.name, ending));
}

function versionDefinition(spec: CrdSpec, version: CrdVersion, storage: string, ending: boolean): ResourceDefinition {
  const { group, names } = spec;
  const type = {
    group,
    version: version.name,
    resource: names.plural,
    kind: names.kind,
    namespaced: spec.scope === 'Namespaced',
  };
  const hasStatus = version.subresources?.status !== undefined;
  const scale = version.subresources?.scale;
  return {
    type,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: ending ? verbs.filter((verb) => verb !== 'create') : verbs,
    schema: schemaFromCrd(version.schema?.openAPIV3Schema),
    columns: crdColumns(version.additionalPrinterColumns as readonly PrinterColumn[] | undefined),
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
    storage: { group, version: storage, resource: names.plural },
    subresources: subresourcesOf(names.kind, hasStatus, scale !== undefined),
    strategy: {
      nameFaults: subdomainName,
      hasStatus,
      tracksGeneration: true,
      unconditionalUpdate: false,
      createOnUpdate: false,
    },
    custom: true,
    ...(spec.versions.length > 1
      ? { conversion: conversionOf(`${group}/${version.name}`, `${group}/${storage}`) }
      : {}),
    ...(scale === undefined ? {} : { scale: scalePaths(scale) }),
    ...(version.deprecated === true
      ? { deprecationWarning: version.deprecationWarning ?? `${group}/${version.name} ${names.kind} is deprecated` }
      : {}),
    openApiName: customTypeName(group, version.name, names.kind),
    openApiSchema: version.schema?.openAPIV3Schema,
  };
}

function scalePaths(scale: NonNullable<NonNullable<CrdVersion['subresources']>['scale']>): ScalePaths {
  return {
    specReplicas: scale.specReplicasPath,
    statusReplicas: scale.statusReplicasPath,
    ...(scale.labelSelectorPath === undefined ? {} : { labelSelector: scale.labelSelectorPath }),
  };
}

const subVerbs = ['get', 'patch', 'update'];

function subresourcesOf(kind: string, status: boolean, scale: boolean): ReadonlyMap<string, Subresource> {
  const all: Subresource[] = [];
  if (status) all.push({ name: 'status', group: '', version: '', kind, verbs: subVerbs });
  if (scale) all.push({ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: subVerbs });
  return new Map(all.map((one) => [one.name, one]));
}

/** Strategy None. */
function conversionOf(served: string, stored: string): Conversion {
  const to =
    (apiVersion: string) =>
    (object: ApiObject): ApiObject =>
      object.apiVersion === apiVersion ? object : { ...object, apiVersion };
  return { fromStorage: to(served), toStorage: to(stored) };
}
