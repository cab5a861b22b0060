/** Types of what rules of a CRD see, by its schema (apiserver cel/common/schemas.go). */
import type { CelType } from '@polyanthus/ground-cel/type-check';
import { isObject, member } from '@polyanthus/kube-objects/json-value';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { identifierOf } from './rule-values.ts';

const dyn: CelType = { kind: 'dyn' };
const text: CelType = { kind: 'string' };
const metadata: CelType = {
  kind: 'object',
  name: 'object',
  field: (name) => (name === 'name' || name === 'generateName' ? text : undefined),
};
const ofResource: Readonly<Record<string, CelType>> = { apiVersion: text, kind: text, metadata };
const simple: Readonly<Record<string, CelType>> = {
  integer: { kind: 'int' },
  number: { kind: 'double' },
  boolean: { kind: 'bool' },
};
const formats: Readonly<Record<string, CelType>> = {
  byte: { kind: 'bytes' },
  date: { kind: 'timestamp' },
  'date-time': { kind: 'timestamp' },
  duration: { kind: 'duration' },
};

/** The type of a schema as JSON; `root`: of the whole object. Where a schema tells too little it is `dyn`. */
export function ruleType(schema: JsonValue | undefined, root: boolean): CelType {
  if (!isObject(schema)) return dyn;
  const is = (key: string): boolean => member(schema, `x-kubernetes-${key}`) === true;
  if (is('int-or-string') || is('preserve-unknown-fields')) return dyn;
  const type = member(schema, 'type');
  if (type === 'string') return formats[String(member(schema, 'format'))] ?? text;
  if (type === 'array') return { kind: 'list', of: ruleType(member(schema, 'items'), false) };
  if (type === 'object') return objectType(schema, root || is('embedded-resource'));
  return simple[String(type)] ?? dyn;
}

function objectType(schema: JsonObject, resource: boolean): CelType {
  const properties = member(schema, 'properties');
  if (isObject(properties) || resource) return structType(isObject(properties) ? properties : {}, resource);
  const values = member(schema, 'additionalProperties');
  return isObject(values) ? { kind: 'map', of: ruleType(values, false) } : dyn;
}

function structType(properties: JsonObject, resource: boolean): CelType {
  const named = new Map(Object.entries(properties).map(([name, one]) => [identifierOf(name), one]));
  return {
    kind: 'object',
    name: 'object',
    field: (name) => {
      const own = resource ? ofResource[name] : undefined;
      return own ?? (named.has(name) ? ruleType(named.get(name), false) : undefined);
    },
  };
}
