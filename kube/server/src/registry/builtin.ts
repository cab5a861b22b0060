/** Definitions of the built-in kinds, made once per process and shared by all logical clusters. */
import { loadBuiltins, type BuiltinKind } from '@polyanthus/kube-kinds/builtin';
import { eventsConversion } from '../kinds/events.ts';
import { strategyOf } from '../kinds/strategies.ts';
import type { Conversion, ResourceDefinition, ScalePaths, StorageType } from './definition.ts';

/** Kinds whose objects are kept under another one. */
const storedAs: Readonly<Record<string, { readonly storage: StorageType; readonly conversion: Conversion }>> = {
  'events.k8s.io/v1/events': {
    storage: { group: '', version: 'v1', resource: 'events' },
    conversion: eventsConversion,
  },
};

/** Served by kube-apiserver, not here: the second shape of a kind whose conversion loses nothing we keep. */
const left: ReadonlySet<string> = new Set(['autoscaling/v1/horizontalpodautoscalers']);

const scale: ScalePaths = {
  specReplicas: '.spec.replicas',
  statusReplicas: '.status.replicas',
  labelSelector: '.spec.selector',
};

const deprecated: Readonly<Record<string, string>> = {
  '/v1/endpoints': 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
};

function definitionOf(kind: BuiltinKind): ResourceDefinition {
  const { type } = kind;
  const key = `${type.group}/${type.version}/${type.resource}`;
  const subresources = new Map(kind.subresources.map((one) => [one.name, one]));
  const alias = storedAs[key];
  return {
    type,
    singular: kind.singular,
    listKind: `${type.kind}List`,
    shortNames: kind.shortNames,
    categories: kind.categories,
    verbs: kind.verbs,
    schema: kind.schema,
    columns: kind.columns,
    selectableFields: kind.selectableFields,
    storage: alias?.storage ?? { group: type.group, version: type.version, resource: type.resource },
    subresources,
    strategy: strategyOf(type.group, type.resource, subresources.has('status')),
    custom: false,
    openApiName: kind.openApiName,
    ...(deprecated[key] === undefined ? {} : { deprecationWarning: deprecated[key] }),
    ...(alias === undefined ? {} : { conversion: alias.conversion }),
    ...(subresources.has('scale') ? { scale } : {}),
  };
}

let definitions: Promise<readonly ResourceDefinition[]> | undefined;

/** All built-in definitions. */
export function builtinDefinitions(): Promise<readonly ResourceDefinition[]> {
  definitions ??= loadBuiltins().then((kinds) =>
    kinds
      .filter(({ type }) => !left.has(`${type.group}/${type.version}/${type.resource}`))
      .map((kind) => definitionOf(kind)),
  );
  return definitions;
}
