/** What Go's JSON decoder says of a value that does not fit a built-in type (encoding/json UnmarshalTypeError). */
import { isList, isObject } from './json-value.ts';
import type { JsonValue } from './meta.ts';
import { isOpen, memberSchema } from './prune.ts';
import { parseQuantity } from './quantity.ts';
import type { Schema } from './schema.ts';

interface Place {
  /** The struct that holds the field. */
  readonly struct: string;
  /** Names of fields only: Go leaves out indices and keys of maps. */
  readonly path: string;
}

function jsonKind(value: JsonValue): string {
  if (isList(value)) return 'array';
  if (isObject(value)) return 'object';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'string' : 'number';
}

function goType(schema: Schema | undefined): string {
  if (schema === undefined) return 'interface {}';
  if (schema.type === 'integer') return schema.format === 'int64' ? 'int64' : 'int32';
  if (schema.type === 'number') return 'float64';
  if (schema.type === 'boolean') return 'bool';
  if (schema.type === 'array') return `[]${goType(schema.items)}`;
  if (schema.type === 'string') return 'string';
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object') return `map[string]${goType(additionalProperties)}`;
  return `v1.${schema.goName ?? 'Object'}`;
}

const mismatch = (what: string, schema: Schema, { struct, path }: Place): string =>
  `json: cannot unmarshal ${what} into Go struct field ${struct}.${path} of type ${goType(schema)}`;

function numberFault(value: JsonValue, schema: Schema, place: Place): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint') return mismatch(jsonKind(value), schema, place);
  if (schema.type === 'number') return undefined;
  const bits = schema.format === 'int64' ? 64 : 32;
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  const fits = whole && BigInt.asIntN(bits, BigInt(value)) === BigInt(value);
  return fits ? undefined : mismatch(`number ${value}`, schema, place);
}

function quantityFault(value: JsonValue): string | undefined {
  try {
    parseQuantity(
      typeof value === 'number' || typeof value === 'bigint' ? value : typeof value === 'string' ? value : 'x',
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function first<T>(items: Iterable<T>, find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const fault = find(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function objectFault(value: JsonValue, schema: Schema, place: Place): string | undefined {
  if (!isObject(value)) return mismatch(jsonKind(value), schema, place);
  return first(Object.entries(value), ([name, item]) => {
    const inner = memberSchema(schema, name);
    if (item === undefined || inner === undefined || inner === 'any') return undefined;
    const field = schema.properties !== undefined && Object.hasOwn(schema.properties, name);
    const path = place.path === '' ? name : `${place.path}.${name}`;
    return find(item, inner, field ? { struct: schema.goName ?? place.struct, path } : place);
  });
}

function find(value: JsonValue, schema: Schema, place: Place): string | undefined {
  if (value === null) return undefined;
  if (schema.format === 'quantity') return quantityFault(value);
  if (isOpen(schema) || schema.preserveUnknownFields === true) return undefined;
  const { items } = schema;
  switch (schema.type ?? 'object') {
    case 'integer':
    case 'number':
      return numberFault(value, schema, place);
    case 'string':
      return typeof value === 'string' ? undefined : mismatch(jsonKind(value), schema, place);
    case 'boolean':
      return typeof value === 'boolean' ? undefined : mismatch(jsonKind(value), schema, place);
    case 'array':
      if (!isList(value)) return mismatch(jsonKind(value), schema, place);
      return items === undefined ? undefined : first(value, (item) => find(item, items, place));
    case 'object':
      return objectFault(value, schema, place);
    default:
      return undefined;
  }
}

/**
 * Why Go could not decode a built-in object, undefined when it could: `json: cannot unmarshal string into Go struct field
 * DeploymentSpec.spec.replicas of type int32`. A server answers BadRequest, `<Kind> in version "<version>" cannot be
 * handled as a <Kind>: ` before it.
 */
export function decodeFault(value: JsonValue, schema: Schema): string | undefined {
  return schema.native === true ? find(value, schema, { struct: schema.goName ?? '', path: '' }) : undefined;
}
