/** An object as the rules of its kind see it (apiserver cel/common/values.go): by its schema, declared fields alone. */
import {
  durationValue,
  listValue,
  mapValue,
  timestampValue,
  type ExpressionValue,
} from '@polyanthus/ground-cel/values';
import { isList, isObject } from '@polyanthus/kube-objects/json-value';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Schema } from '@polyanthus/kube-objects/schema';

/** Names that are words of the language. */
const reserved: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

/** A field's name as an identifier (apiserver cel/escaping.go), or undefined for one that no expression can name. */
export function identifierOf(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  return name.replaceAll(/__|[./-]/g, (part) => escapes[part] ?? part);
}

/** What every object has, as rules of its root may see it. */
const text: Schema = { type: 'string' };
const resourceFields: Readonly<Record<string, Schema>> = {
  apiVersion: text,
  kind: text,
  metadata: { type: 'object', properties: { name: text, generateName: text } },
};

/** The value for expressions. `resource`: an object with apiVersion, kind and metadata of its own. */
export function ruleValue(value: JsonValue, schema: Schema, resource: boolean): ExpressionValue {
  if (value === null) return null;
  if (schema.intOrString === true) return typeof value === 'number' ? BigInt(value) : plainValue(value);
  if (isList(value))
    return listValue(value.map((item) => (schema.items === undefined ? plainValue(item) : inner(item, schema.items))));
  if (isObject(value)) return objectValue(value, schema, resource);
  if (typeof value === 'string') return textValue(value, schema.format);
  if (typeof value === 'number' && schema.type === 'integer' && Number.isInteger(value)) return BigInt(value);
  return value;
}

const inner = (value: JsonValue, schema: Schema): ExpressionValue =>
  ruleValue(value, schema, schema.embeddedResource === true);

function objectValue(object: JsonObject, schema: Schema, resource: boolean): ExpressionValue {
  const { properties, additionalProperties } = schema;
  const declared = resource ? { ...properties, ...resourceFields } : properties;
  const entries = new Map<string, ExpressionValue>();
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue;
    if (declared === undefined) {
      const type = typeof additionalProperties === 'object' ? additionalProperties : undefined;
      entries.set(key, type === undefined ? plainValue(value) : inner(value, type));
      continue;
    }
    const type = Object.hasOwn(declared, key) ? declared[key] : undefined;
    const name = identifierOf(key);
    if (type !== undefined && name !== undefined) entries.set(name, inner(value, type));
  }
  return mapValue(entries);
}

/** A value of which no schema tells. */
function plainValue(value: JsonValue): ExpressionValue {
  if (isList(value)) return listValue(value.map(plainValue));
  if (!isObject(value)) return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
  return mapValue(new Map(Object.entries(value).map(([key, one]) => [key, plainValue(one ?? null)])));
}

function textValue(value: string, format: string | undefined): ExpressionValue {
  if (format === 'byte') return Uint8Array.from(Buffer.from(value, 'base64'));
  const ms =
    format === 'date-time' || format === 'date'
      ? Date.parse(value)
      : format === 'duration'
        ? durationMs(value)
        : Number.NaN;
  if (Number.isNaN(ms)) return value;
  return format === 'duration' ? durationValue(ms) : timestampValue(ms);
}

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** Go's form, `1h30m`; NaN for another. */
function durationMs(value: string): number {
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)];
  const sign = value.startsWith('-') ? -1 : 1;
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== value.replace(/^[+-]/, '')) return Number.NaN;
  return sign * parts.reduce((sum, [, amount = '0', unit = 's']) => sum + Number(amount) * (unitMs[unit] ?? 0), 0);
}
