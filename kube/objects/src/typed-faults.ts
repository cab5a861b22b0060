/** Whether an applied configuration fits its type (structured-merge-diff typed/validate.go), in its words. */
import { atomOf, deduced, itemElement, itemType, memberType } from './field-atoms.ts';
import { fieldElement, pathText } from './field-set.ts';
import { isList, isObject } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

/** Go's name for the type of a JSON value. */
function goType(value: JsonValue): string {
  if (isList(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

const shown = (value: JsonValue): string =>
  typeof value === 'string' ? JSON.stringify(value) : typeof value === 'object' ? goType(value) : String(value);

function scalarFault(value: JsonValue, schema: Schema): string | undefined {
  if (value === null || schema.type === undefined) return undefined;
  const numeric = typeof value === 'number' || typeof value === 'bigint';
  if (schema.type === 'integer' || schema.type === 'number') {
    return numeric ? undefined : `expected numeric (int or float), got ${goType(value)}`;
  }
  const wrapped = `&value.valueUnstructured{Value:${shown(value)}}`;
  if (schema.type === 'string') return typeof value === 'string' ? undefined : `expected string, got ${wrapped}`;
  return typeof value === 'boolean' ? undefined : `expected boolean, got &{${shown(value)}}`;
}

function listFaults(value: readonly JsonValue[], schema: Schema, path: string, atomic: boolean): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    let at = `${path}[${index}]`;
    if (!atomic) {
      const found = itemElement(schema, item);
      if (!('element' in found)) return [...faults, `${path}: element ${index}: ${found.fault}`];
      const text = pathText([found.element]);
      if (seen.has(found.element)) faults.push(`${path}: duplicate entries for key ${text}`);
      seen.add(found.element);
      at = `${path}${text}`;
    }
    faults.push(...typedFaults(item, itemType(schema), at));
  }
  return faults;
}

function mapFaults(value: JsonObject, schema: Schema, path: string): string[] {
  return Object.entries(value).flatMap(([name, item]) => {
    if (item === undefined) return [];
    const at = `${path}${pathText([fieldElement(name)])}`;
    const type = memberType(schema, name);
    return type === undefined ? [`${at}: field not declared in schema`] : typedFaults(item, type.schema, at);
  });
}

/** `.spec.replicas: expected numeric (int or float), got string`. */
export function typedFaults(value: JsonValue, schema: Schema = deduced, path = ''): string[] {
  const atom = atomOf(schema, value);
  if (atom.kind === 'scalar') {
    const fault = scalarFault(value, schema);
    return fault === undefined ? [] : [`${path}: ${fault}`];
  }
  if (value === null) return [];
  if (atom.kind === 'list')
    return isList(value)
      ? listFaults(value, schema, path, atom.atomic)
      : [`${path}: expected list, got &{${shown(value)}}`];
  return isObject(value) ? mapFaults(value, schema, path) : [`${path}: expected map, got &{${shown(value)}}`];
}
