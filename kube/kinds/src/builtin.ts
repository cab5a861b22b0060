/**
 * The built-in kinds of Kubernetes 1.37, from facts generated out of its OpenAPI and discovery documents
 * (kinds/generate.ts), with the columns that `kubectl get` shows.
 */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { Definitions, Schema } from '@polyanthus/kube-objects/schema';
import { schemaFromOpenApi } from '@polyanthus/kube-objects/schema-from';
import type { TableColumn } from './columns.ts';
import { builtinColumns } from './printers.ts';
import { selectableFieldsOf } from './selectable-fields.ts';

export interface BuiltinSubresource {
  /** `status`, `scale`, `exec`… */
  readonly name: string;
  /** Kind of its body or answer. Group and version are empty when they are the parent's. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

interface KindFacts extends ResourceType {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly BuiltinSubresource[];
  readonly openApiName: string;
}

/** One built-in kind with all that serving, printing and selecting it needs. */
export interface BuiltinKind extends Omit<KindFacts, keyof ResourceType> {
  readonly type: ResourceType;
  readonly schema: Schema;
  readonly columns: readonly TableColumn[];
  /** Beside metadata.name and metadata.namespace: `spec.nodeName`, `involvedObject.uid`… */
  readonly selectableFields: readonly string[];
}

interface Facts {
  readonly kinds: readonly KindFacts[];
  readonly definitions: Definitions;
}

let facts: Promise<Facts> | undefined;
let kinds: Promise<readonly BuiltinKind[]> | undefined;

function loadFacts(): Promise<Facts> {
  facts ??= import('../kubernetes/1.37.json', { with: { type: 'json' } }).then(
    (module) => module.default as unknown as Facts,
  );
  return facts;
}

function builtinKind(fact: KindFacts, definitions: Definitions): BuiltinKind {
  const { group, version, resource, kind, namespaced, ...names } = fact;
  const type = { group, version, resource, kind, namespaced };
  return {
    ...names,
    type,
    schema: schemaFromOpenApi(definitions, fact.openApiName),
    columns: builtinColumns(type),
    selectableFields: selectableFieldsOf(type),
  };
}

/** All built-in kinds. The facts are read once and shared; schemas are resolved as they are used. */
export function loadBuiltins(): Promise<readonly BuiltinKind[]> {
  kinds ??= loadFacts().then((loaded) => loaded.kinds.map((fact) => builtinKind(fact, loaded.definitions)));
  return kinds;
}

/**
 * The types that the kinds refer to, by name, as OpenAPI v3 schemas without descriptions. A reference is
 * `{"$ref": "<name>"}`, bare and maybe with siblings; a server that serves `/openapi/v3` writes it out as
 * `{"allOf": [{"$ref": "#/components/schemas/<name>"}]}`.
 */
export function loadDefinitions(): Promise<Definitions> {
  return loadFacts().then((loaded) => loaded.definitions);
}

/** Descriptions by type and property (`''` is the type's own), for `/openapi/v3` and `explain`. Large; read when asked for. */
export async function loadDescriptions(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const module = await import('../kubernetes/1.37.docs.json', { with: { type: 'json' } });
  return module.default as unknown as Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The OpenAPI v3 schemas of `names` and all that they reach, with descriptions, as `components.schemas` of a document. */
export async function openApiSchemas(names: readonly string[]): Promise<Readonly<Record<string, JsonObject>>> {
  const [definitions, texts] = await Promise.all([loadDefinitions(), loadDescriptions()]);
  const { writeOpenApi } = await import('./openapi.ts');
  return writeOpenApi(names, definitions, texts);
}
