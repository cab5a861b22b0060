/** Messages whose JSON is a text, a number or free JSON. */
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import { WireReader } from './wire.ts';

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array | bigint> {
  const fields = new Map<number, Uint8Array | bigint>();
  const reader = new WireReader(bytes);
  while (reader.more) {
    const { field, value } = reader.next();
    fields.set(field, value);
  }
  return fields;
}

const textOf = (value: Uint8Array | bigint | undefined): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : '';
const integerOf = (value: Uint8Array | bigint | undefined): bigint =>
  typeof value === 'bigint' ? BigInt.asIntN(64, value) : 0n;

/** Go's zero time is written without fields, or as the year 1. */
const zeroSeconds = -62135596800n;

function time(bytes: Uint8Array, micro: boolean): JsonValue | undefined {
  const fields = fieldsOf(bytes);
  const seconds = integerOf(fields.get(1));
  if (fields.size === 0 || seconds === zeroSeconds) return undefined;
  const whole = new Date(Number(seconds) * 1000).toISOString();
  if (!micro) return whole.replace('.000Z', 'Z');
  const micros = String((Number(integerOf(fields.get(2))) / 1000) | 0).padStart(6, '0');
  return whole.replace('.000Z', `.${micros}Z`);
}

function freeJson(bytes: Uint8Array): JsonValue | undefined {
  const raw = textOf(fieldsOf(bytes).get(1));
  if (raw === '') return undefined;
  try {
    return JSON.parse(raw) as JsonValue;
  } catch {
    throw new RangeError('raw JSON that is none');
  }
}

function intOrString(bytes: Uint8Array): JsonValue {
  const fields = fieldsOf(bytes);
  return integerOf(fields.get(1)) === 1n ? textOf(fields.get(3)) : Number(integerOf(fields.get(2)));
}

const readers: Readonly<Record<string, (bytes: Uint8Array) => JsonValue | undefined>> = {
  [`${meta}.Time`]: (bytes) => time(bytes, false),
  [`${meta}.MicroTime`]: (bytes) => time(bytes, true),
  [`${meta}.Duration`]: (bytes) => `${Number(integerOf(fieldsOf(bytes).get(1))) / 1e9}s`,
  [`${meta}.FieldsV1`]: freeJson,
  'k8s.io.apimachinery.pkg.runtime.RawExtension': freeJson,
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON': freeJson,
  'k8s.io.apimachinery.pkg.api.resource.Quantity': (bytes) => textOf(fieldsOf(bytes).get(1)),
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': intOrString,
};

/** The JSON of a message of a well-known type; undefined for ordinary ones. */
export function wellKnown(name: string, bytes: Uint8Array): { readonly value: JsonValue | undefined } | undefined {
  const reader = readers[name];
  return reader === undefined ? undefined : { value: reader(bytes) };
}
