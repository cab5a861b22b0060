/**
 * Writes the facts of a Kubernetes minor from its source tree, by hand when a new minor is supported:
 *
 *   node kube/kinds/generate.ts <kubernetes source tree> 1.37
 *
 * Reads api/openapi-spec/v3 (types with merge keys and list types) and api/discovery (names, verbs, subresources), which
 * Kubernetes keeps up to date in its repository. Writes kubernetes/<minor>.json (types, kinds) and
 * kubernetes/<minor>.docs.json (descriptions), both without what no kind below reaches.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Json = { [key: string]: Json | undefined } | Json[] | string | number | boolean | null;
type Node = { [key: string]: Json | undefined };

/** Group versions whose kinds the product serves. */
const wanted = [
  'v1',
  'admissionregistration.k8s.io/v1',
  'apiextensions.k8s.io/v1',
  'apiregistration.k8s.io/v1',
  'apps/v1',
  'authentication.k8s.io/v1',
  'authorization.k8s.io/v1',
  'autoscaling/v1',
  'autoscaling/v2',
  'batch/v1',
  'certificates.k8s.io/v1',
  'coordination.k8s.io/v1',
  'discovery.k8s.io/v1',
  'events.k8s.io/v1',
  'networking.k8s.io/v1',
  'node.k8s.io/v1',
  'policy/v1',
  'rbac.authorization.k8s.io/v1',
  'scheduling.k8s.io/v1',
  'storage.k8s.io/v1',
];
/** Served by probing other processes: not an object that one can store. */
const refused = new Set(['componentstatuses']);
/** Bodies and answers that no discovery entry names. */
const extraTypes = [
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Status',
  'io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent',
];

const isNode = (value: Json | undefined): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const node = (value: Json | undefined): Node => (isNode(value) ? value : {});
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

const read = (path: string): Node => JSON.parse(readFileSync(path, 'utf8')) as Node;

function schemasOf(tree: string): Record<string, Node> {
  const folder = join(tree, 'api/openapi-spec/v3');
  const schemas: Record<string, Node> = {};
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.json')) Object.assign(schemas, node(node(read(join(folder, file))['components'])['schemas']));
  }
  return schemas;
}

const group = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '');
const version = (apiVersion: string): string => apiVersion.split('/').at(-1) ?? '';

/** `APIResourceList` of a group version: the objects first, their subresources behind a slash. */
function resourcesOf(tree: string, apiVersion: string): Node[] {
  const file = apiVersion.includes('/') ? `apis__${apiVersion.replace('/', '__')}.json` : `api__${apiVersion}.json`;
  return list(read(join(tree, 'api/discovery', file))['resources']).map(node);
}

function openApiName(schemas: Record<string, Node>, apiVersion: string, kind: string): string {
  const found = Object.entries(schemas).find(([, schema]) => {
    const kinds = list(schema['x-kubernetes-group-version-kind']).map(node);
    return (
      kinds.length === 1 &&
      kinds[0]?.['group'] === group(apiVersion) &&
      kinds[0]['version'] === version(apiVersion) &&
      kinds[0]['kind'] === kind
    );
  });
  if (found === undefined) throw new Error(`no OpenAPI type for ${apiVersion} ${kind}`);
  return found[0];
}

function subresourcesOf(resources: readonly Node[], name: string): Json[] {
  return resources
    .filter((resource) => text(resource['name']).startsWith(`${name}/`))
    .map((resource) => ({
      name: text(resource['name']).slice(name.length + 1),
      group: text(resource['group']),
      version: text(resource['version']),
      kind: text(resource['kind']),
      verbs: resource['verbs'] ?? [],
    }));
}

function kindsOf(tree: string, schemas: Record<string, Node>, apiVersion: string): Node[] {
  const resources = resourcesOf(tree, apiVersion);
  return resources
    .filter((resource) => !text(resource['name']).includes('/') && !refused.has(text(resource['name'])))
    .map((resource) => ({
      group: group(apiVersion),
      version: version(apiVersion),
      resource: text(resource['name']),
      kind: text(resource['kind']),
      namespaced: resource['namespaced'] === true,
      singular: text(resource['singularName']),
      shortNames: resource['shortNames'] ?? [],
      categories: resource['categories'] ?? [],
      verbs: resource['verbs'] ?? [],
      subresources: subresourcesOf(resources, text(resource['name'])),
      openApiName: openApiName(schemas, apiVersion, text(resource['kind'])),
    }));
}

/** A `$ref` alone or in an `allOf` of one, with its siblings, becomes `$ref` and siblings. */
function compact(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(compact);
  if (!isNode(value)) return value ?? null;
  const result: Node = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'description' && typeof inner === 'string') continue;
    const only = key === 'allOf' && Array.isArray(inner) && inner.length === 1 ? node(inner[0])['$ref'] : undefined;
    if (only !== undefined) result['$ref'] = text(only).split('/').at(-1) ?? '';
    else if (key === '$ref') result['$ref'] = text(inner).split('/').at(-1) ?? '';
    else result[key] = key === 'properties' ? compactEach(node(inner)) : compact(inner);
  }
  return result;
}

/** Property names may be `description` or `default`, so they are walked apart. */
function compactEach(properties: Node): Node {
  return Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, compact(inner)]));
}

/** DeleteOptions and WatchEvent belong to every group; the long list says nothing. */
function withoutSharedKinds(schema: Node): Node {
  const kinds = list(schema['x-kubernetes-group-version-kind']);
  if (kinds.length > 1) delete schema['x-kubernetes-group-version-kind'];
  return schema;
}

function references(value: Json | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isNode(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

function reachable(schemas: Record<string, Node>, roots: readonly string[]): Record<string, Node> {
  const found: Record<string, Node> = {};
  const pending = [...roots];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found[name] !== undefined) continue;
    const schema = schemas[name];
    if (schema === undefined) throw new Error(`no OpenAPI type ${name}`);
    found[name] = withoutSharedKinds(compact(schema) as Node);
    pending.push(...references(found[name]));
  }
  return Object.fromEntries(Object.entries(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function descriptions(schemas: Record<string, Node>, names: readonly string[]): Node {
  return Object.fromEntries(
    names.map((name) => {
      const schema = node(schemas[name]);
      const own: Node = { '': text(schema['description']) };
      for (const [key, property] of Object.entries(node(schema['properties'])))
        own[key] = text(node(property)['description']);
      return [name, own];
    }),
  );
}

/** One type or kind a line: small, and a new minor gives a readable diff. */
const lines = (entries: readonly string[]): string => entries.join(',\n');

function main(tree: string, minor: string): void {
  const schemas = schemasOf(tree);
  const kinds = wanted.flatMap((apiVersion) => kindsOf(tree, schemas, apiVersion));
  const listNames = kinds
    .map((kind) => `${text(kind['openApiName'])}List`)
    .filter((name) => schemas[name] !== undefined);
  const used = reachable(schemas, [...kinds.map((kind) => text(kind['openApiName'])), ...listNames, ...extraTypes]);
  const types = Object.entries(used).map(([name, schema]) => `${JSON.stringify(name)}:${JSON.stringify(schema)}`);
  const target = join(import.meta.dirname, 'kubernetes');
  const kindLines = lines(kinds.map((kind) => JSON.stringify(kind)));
  writeFileSync(join(target, `${minor}.json`), `{"kinds":[\n${kindLines}\n],\n"definitions":{\n${lines(types)}\n}}\n`);
  const docs = Object.entries(descriptions(schemas, Object.keys(used)));
  writeFileSync(
    join(target, `${minor}.docs.json`),
    `{\n${lines(docs.map(([name, own]) => `${JSON.stringify(name)}:${JSON.stringify(own)}`))}\n}\n`,
  );
}

const [tree, minor] = process.argv.slice(2);
if (tree === undefined || minor === undefined)
  throw new Error('usage: node kube/kinds/generate.ts <kubernetes source tree> <minor>');
main(tree, minor);
