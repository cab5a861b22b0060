import { describe, expect, test } from 'vitest';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { decodeFault } from '@polyanthus/kube-objects/native-decode';
import type { Schema } from '@polyanthus/kube-objects/schema';
import { applyBuiltinDefaults } from './builtin-defaults.ts';
import { loadBuiltins, loadDescriptions, openApiSchemas, type BuiltinKind } from './builtin.ts';
import { completeBuiltin } from './complete.ts';
import * as core from './core.ts';
import { pullPolicy } from './pod-defaults.ts';

const kinds = await loadBuiltins();

function kindOf(resource: string, group = ''): BuiltinKind {
  const found = kinds.find(({ type }) => type.resource === resource && type.group === group);
  if (found === undefined) throw new Error(`no ${resource}.${group}`);
  return found;
}

describe('the built-in kinds', () => {
  test('have the names that users type', () => {
    expect(kindOf('pods')).toMatchObject({
      singular: 'pod',
      shortNames: ['po'],
      categories: ['all'],
      openApiName: 'io.k8s.api.core.v1.Pod',
    });
    expect(kindOf('pods').subresources.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['status', 'exec', 'log', 'eviction', 'binding', 'portforward']),
    );
    expect(kindOf('deployments', 'apps').subresources).toContainEqual({
      name: 'scale',
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    });
    expect(kindOf('serviceaccounts').subresources.map(({ name }) => name)).toEqual(['token']);
    expect(kindOf('customresourcedefinitions', 'apiextensions.k8s.io').shortNames).toEqual(['crd', 'crds']);
    expect(kindOf('subjectaccessreviews', 'authorization.k8s.io').verbs).toEqual(['create']);
  });

  test('include every resource type of core.ts', () => {
    const wanted = Object.values(core);
    expect(wanted.length).toBeGreaterThan(10);
    expect(kinds.map(({ type }) => type)).toEqual(expect.arrayContaining(wanted));
  });

  test('have schemas without a dead end', () => {
    const seen = new Set<Schema>();
    const walk = (schema: Schema): void => {
      if (seen.has(schema)) return;
      seen.add(schema);
      for (const property of Object.values(schema.properties ?? {})) walk(property);
      if (schema.items !== undefined) walk(schema.items);
      if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties);
      if (schema.type === 'array') expect(schema.items).toBeDefined();
      if (schema.listType === 'map') expect(schema.listMapKeys).not.toEqual([]);
    };
    for (const kind of kinds) walk(kind.schema);
    expect(seen.size).toBeGreaterThan(2000);
  });

  test('know merge keys and list types', () => {
    const containers = kindOf('pods').schema.properties?.['spec']?.properties?.['containers'];
    expect(containers).toMatchObject({
      listType: 'map',
      listMapKeys: ['name'],
      patchStrategy: ['merge'],
      patchMergeKey: 'name',
    });
    expect(kindOf('deployments', 'apps').schema.properties?.['spec']?.properties?.['strategy']?.patchStrategy).toEqual([
      'retainKeys',
    ]);
    expect(kindOf('pods').selectableFields).toContain('spec.nodeName');
  });

  test('are served as OpenAPI v3 with their descriptions', async () => {
    const schemas = await openApiSchemas(['io.k8s.api.apps.v1.Deployment']);
    const { properties } = schemas['io.k8s.api.apps.v1.Deployment'] as { properties: Record<string, JsonObject> };
    expect(properties['spec']).toEqual({
      description: 'Specification of the desired behavior of the Deployment.',
      default: {},
      allOf: [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec' }],
    });
    expect(Object.keys(schemas)).toContain('io.k8s.api.core.v1.Container');
    expect((await loadDescriptions())['io.k8s.api.core.v1.Pod']?.['']).toMatch(/^Pod is a collection of containers/);
  });
});

describe('a completed object', () => {
  const pod = (spec: JsonObject): JsonObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });

  test('names unknown fields and reads null as absent', () => {
    const { object, unknown } = completeBuiltin(
      kindOf('pods'),
      pod({ containers: [{ name: 'a', image: 'x', zzz: 1, command: null }] }),
    );
    expect(unknown).toEqual(['spec.containers[0].zzz']);
    expect(object).toMatchObject({
      spec: { containers: [{ name: 'a', imagePullPolicy: 'Always', resources: {} }], restartPolicy: 'Always' },
      status: {},
    });
    expect(JSON.stringify(object)).not.toContain('command');
  });

  test('stays as it is the second time', () => {
    for (const kind of kinds.filter(({ verbs }) => verbs.includes('create'))) {
      const once = completeBuiltin(kind, { apiVersion: 'v1', kind: kind.type.kind, metadata: { name: 'x' } }).object;
      expect(completeBuiltin(kind, once).object).toEqual(once);
    }
  });

  test.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1', 'IfNotPresent'],
    ['host:5000/nginx', 'Always'],
    ['host:5000/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:abc', 'IfNotPresent'],
  ])('pulls %s %s', (image, policy) => {
    expect(pullPolicy(image)).toBe(policy);
  });

  test('requests what its pods limit, but its templates do not', () => {
    const spec = { containers: [{ name: 'a', image: 'x', resources: { limits: { cpu: '1' } } }] };
    const requests = (object: JsonObject): unknown => JSON.stringify(object).includes('requests');
    expect(requests(applyBuiltinDefaults({ group: '', kind: 'Pod' }, pod(spec)))).toBe(true);
    expect(
      requests(applyBuiltinDefaults({ group: 'apps', kind: 'ReplicaSet' }, { spec: { template: { spec } } })),
    ).toBe(false);
  });
});

describe('an object that does not fit its type', () => {
  const template = (container: JsonObject): JsonObject => ({
    spec: { template: { spec: { containers: [container] } } },
  });

  test.each<[string, string, JsonObject, string | undefined]>([
    [
      'deployments',
      'apps',
      { spec: { replicas: 'x' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'deployments',
      'apps',
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'deployments',
      'apps',
      template({ name: 1 }),
      'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.name of type string',
    ],
    [
      'configmaps',
      '',
      { metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      'deployments',
      'apps',
      template({ resources: { limits: { cpu: 'x' } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      'deployments',
      'apps',
      template({
        name: 'a',
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: 1 } },
        livenessProbe: { httpGet: { port: 'http' } },
      }),
      undefined,
    ],
  ])('%s.%s %j is refused as Go does', (resource, group, object, fault) => {
    expect(decodeFault(object, kindOf(resource, group).schema)).toBe(fault);
  });
});
