/** What CRD schemas and OpenAPI documents have in common: how a JSON node becomes a `Schema` node. */
import { isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** Members that are taken as they are, and their names in `Schema`. */
const plain: readonly (readonly [string, keyof Schema])[] = [
  ['type', 'type'],
  ['format', 'format'],
  ['description', 'description'],
  ['required', 'required'],
  ['nullable', 'nullable'],
  ['enum', 'enum'],
  ['pattern', 'pattern'],
  ['minimum', 'minimum'],
  ['maximum', 'maximum'],
  ['exclusiveMinimum', 'exclusiveMinimum'],
  ['exclusiveMaximum', 'exclusiveMaximum'],
  ['multipleOf', 'multipleOf'],
  ['minLength', 'minLength'],
  ['maxLength', 'maxLength'],
  ['minItems', 'minItems'],
  ['maxItems', 'maxItems'],
  ['uniqueItems', 'uniqueItems'],
  ['minProperties', 'minProperties'],
  ['maxProperties', 'maxProperties'],
  ['x-go-name', 'goName'],
  ['x-kubernetes-list-type', 'listType'],
  ['x-kubernetes-list-map-keys', 'listMapKeys'],
  ['x-kubernetes-map-type', 'mapType'],
  ['x-kubernetes-patch-merge-key', 'patchMergeKey'],
  ['x-kubernetes-preserve-unknown-fields', 'preserveUnknownFields'],
  ['x-kubernetes-embedded-resource', 'embeddedResource'],
  ['x-kubernetes-int-or-string', 'intOrString'],
];

const empty = (value: JsonValue | undefined): boolean =>
  value === undefined || value === null || value === '' || value === false || (isList(value) && value.length === 0);

/** The facts of a node without its children (properties, items, additionalProperties, allOf …). */
export function ownFacts(node: JsonObject): Draft {
  const facts: Draft = {};
  for (const [from, to] of plain) {
    const value = member(node, from);
    if (!empty(value)) facts[to] = value;
  }
  const strategy = member(node, 'x-kubernetes-patch-strategy');
  if (typeof strategy === 'string' && strategy !== '') facts['patchStrategy'] = strategy.split(',');
  const fallback = member(node, 'default');
  if (fallback !== undefined && fallback !== null) facts['default'] = fallback;
  const rules = member(node, 'x-kubernetes-validations');
  if (isList(rules) && rules.length > 0) facts['validations'] = rules;
  return facts;
}

export type Read = (node: JsonObject) => Schema;

function readEach(value: JsonValue | undefined, read: Read): Readonly<Record<string, Schema>> | undefined {
  if (!isObject(value)) return undefined;
  const result: Record<string, Schema> = {};
  for (const [key, node] of Object.entries(value)) {
    if (isObject(node)) setMember(result as unknown as Draft, key, read(node) as unknown as JsonValue);
  }
  return result;
}

/** The children of a node, each a function so that a reader may put off the work. */
export function children(node: JsonObject, read: Read): Readonly<Record<string, () => unknown>> {
  const list = (key: string) => () => {
    const value = member(node, key);
    return isList(value) ? value.filter(isObject).map(read) : undefined;
  };
  const one = (key: string) => () => {
    const value = member(node, key);
    return isObject(value) ? read(value) : undefined;
  };
  const additional = member(node, 'additionalProperties');
  const present: Record<string, () => unknown> = {
    properties: () => readEach(member(node, 'properties'), read),
    items: one('items'),
    additionalProperties: () => (isObject(additional) ? read(additional) : additional),
    allOf: list('allOf'),
    anyOf: list('anyOf'),
    oneOf: list('oneOf'),
    not: one('not'),
  };
  return Object.fromEntries(
    Object.entries(present).filter(([key]) => !empty(member(node, key)) || isObject(member(node, key))),
  );
}
