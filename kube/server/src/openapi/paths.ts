/** The paths of a resource in OpenAPI: enough for kubectl to find kinds and the parameters that they take. */
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import type { ResourceDefinition } from '../registry/definition.ts';

const methods: readonly (readonly [string, string, string])[] = [
  ['get', 'get', 'get'],
  ['put', 'update', 'put'],
  ['patch', 'patch', 'patch'],
  ['delete', 'delete', 'delete'],
];
const collectionMethods: readonly (readonly [string, string, string])[] = [
  ['get', 'list', 'list'],
  ['post', 'create', 'post'],
  ['delete', 'deletecollection', 'deletecollection'],
];

const dryRun = { name: 'dryRun', in: 'query', schema: { type: 'string', uniqueItems: true } };
const validation = { name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } };
const manager = { name: 'fieldManager', in: 'query', schema: { type: 'string', uniqueItems: true } };
const writing: ReadonlySet<string> = new Set(['post', 'put', 'patch']);

/** Path items of a resource, by path. */
export function pathsOf(definition: ResourceDefinition): Record<string, object> {
  const { type } = definition;
  const root = `${type.group === '' ? '/api' : '/apis'}/${apiVersionOf(type)}`;
  const collection = type.namespaced ? `${root}/namespaces/{namespace}/${type.resource}` : `${root}/${type.resource}`;
  return {
    [collection]: item(definition, collectionMethods),
    [`${collection}/{name}`]: item(definition, methods),
  };
}

function item(definition: ResourceDefinition, wanted: typeof methods): object {
  const { type, verbs, openApiName } = definition;
  const kind = { group: type.group, kind: type.kind, version: type.version };
  const schema = { $ref: `#/components/schemas/${openApiName}` };
  const entries = wanted
    .filter(([, verb]) => verbs.includes(verb))
    .map(([method, , action]) => [
      method,
      {
        'x-kubernetes-action': action,
        'x-kubernetes-group-version-kind': kind,
        ...(writing.has(method)
          ? { parameters: [dryRun, manager, validation], requestBody: { content: { 'application/json': { schema } } } }
          : {}),
        responses: { '200': { description: 'OK', content: { 'application/json': { schema } } } },
      },
    ]);
  return Object.fromEntries(entries) as object;
}
