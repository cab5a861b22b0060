/**
 * CRDs of the product's own kinds, from the interfaces in src/own and the table in src/own/manifest.ts. Part of
 * `npm run generate`; the result is committed and compared in the tests. A doc comment becomes the description; tags of
 * the generator (`@minLength 1`) one a line, because two on one line are dropped silently (refused here).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGenerator, type Schema } from 'ts-json-schema-generator';
import { ownedLabel } from './src/own/ownership.ts';
import { ownKinds, type OwnKind } from './src/own/manifest.ts';

type Json = Record<string, unknown>;

const folder = join(import.meta.dirname, 'src/own');

/** The text of src/own/crds.json. */
export function makeOwnCrds(): string {
  for (const source of new Set(ownKinds.map((kind) => kind.source))) refuseSharedLines(source);
  return `${JSON.stringify(ownKinds.map(makeCrd), undefined, 1)}\n`;
}

function refuseSharedLines(source: string): void {
  const lines = readFileSync(join(folder, source), 'utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    if (/@\w+ .*@\w+/.test(line))
      throw new Error(`${source}:${index + 1}: two tags on one line; the generator drops both`);
  }
}

function makeCrd(kind: OwnKind): Json {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${kind.plural}.${kind.group}`,
      labels: { [ownedLabel]: 'true', 'app.kubernetes.io/managed-by': 'polyanthus' },
    },
    spec: {
      group: kind.group,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
      },
      versions: [
        {
          name: kind.version,
          served: true,
          storage: true,
          ...(kind.status ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: kind.columns,
          schema: { openAPIV3Schema: schemaOf(kind) },
        },
      ],
    },
  };
}

function schemaOf(kind: OwnKind): Json {
  const generator = createGenerator({
    path: join(folder, kind.source),
    type: kind.interface,
    expose: 'none',
    topRef: false,
    tsconfig: join(import.meta.dirname, '../../tsconfig.json'),
    skipTypeCheck: true,
    additionalProperties: true,
  });
  const root = structural(generator.createSchema(kind.interface)) as Json;
  for (const [path, rules] of Object.entries(kind.rules ?? {})) partOf(root, path)['x-kubernetes-validations'] = rules;
  const properties = root['properties'] as Json;
  const required = ((root['required'] ?? []) as string[]).filter((name) => name === 'spec');
  return {
    type: 'object',
    ...(root['description'] === undefined ? {} : { description: root['description'] }),
    ...(required.length > 0 ? { required } : {}),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 63 } } },
      ...(properties['spec'] === undefined ? {} : { spec: properties['spec'] }),
      ...(properties['status'] === undefined ? {} : { status: properties['status'] }),
    },
  };
}

/** The schema of a part of an object; a path that leads nowhere is a defect of the table. */
function partOf(root: Json, path: string): Json {
  return path.split('.').reduce((part, name) => {
    const found = (part['properties'] as Readonly<Record<string, Json>> | undefined)?.[name];
    if (found === undefined) throw new Error(`a rule is for ${path}, which is not in the schema`);
    return found;
  }, root);
}

const kept = new Set([
  'type',
  'description',
  'properties',
  'required',
  'items',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'default',
  'minItems',
  'maxItems',
]);

/** JSON Schema to a structural schema: maps become additionalProperties, lists of conditions are keyed by type. */
function structural(schema: Schema | boolean | undefined): unknown {
  if (typeof schema !== 'object') return {};
  const source = schema as Json;
  const out: Json = {};
  for (const [key, value] of Object.entries(source)) if (kept.has(key)) out[key] = value;
  if (source['const'] !== undefined) Object.assign(out, { type: typeof source['const'], enum: [source['const']] });
  if (source['properties'] !== undefined) {
    out['properties'] = Object.fromEntries(
      Object.entries(source['properties'] as Json).map(([name, inner]) => [name, structural(inner as Schema)]),
    );
  }
  if (source['items'] !== undefined) out['items'] = structural(source['items'] as Schema);
  if (source['properties'] === undefined && typeof source['additionalProperties'] === 'object')
    out['additionalProperties'] = structural(source['additionalProperties'] as Schema);
  if (out['type'] === undefined) out['x-kubernetes-preserve-unknown-fields'] = true;
  if (isConditionList(out))
    Object.assign(out, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
  return out;
}

function isConditionList(schema: Json): boolean {
  const items = schema['items'] as { readonly properties?: Json } | undefined;
  return (
    schema['type'] === 'array' &&
    items?.properties?.['lastTransitionTime'] !== undefined &&
    items.properties['type'] !== undefined
  );
}
