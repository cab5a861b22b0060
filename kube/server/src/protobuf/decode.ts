/** Reads Kubernetes' protobuf bodies into JSON (apimachinery runtime/serializer/protobuf). Typed Go clients send them. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';
import { WireReader } from './wire.ts';
import { wellKnown } from './well-known.ts';

/** Field number, JSON name, type, and `r` when repeated. */
type Field = readonly [number, string, string] | readonly [number, string, string, 'r'];
export type Messages = Readonly<Record<string, readonly Field[]>>;

const maxDepth = 100;

let loaded: Promise<Messages> | undefined;

function loadMessages(): Promise<Messages> {
  loaded ??= import('../../protobuf/1.37.json', { with: { type: 'json' } }).then(
    (module) => module.default as unknown as Messages,
  );
  return loaded;
}

const special: Readonly<Record<string, string>> = {
  '': 'k8s.io.api.core',
  'apiextensions.k8s.io': 'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions',
  'meta.k8s.io': 'k8s.io.apimachinery.pkg.apis.meta',
};

/** The message of a kind. DeleteOptions come under every group. */
function messageName(apiVersion: string, kind: string): string {
  if (kind === 'DeleteOptions') return 'k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions';
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return `${special[group] ?? `k8s.io.api.${group.split('.')[0]}`}.${version}.${kind}`;
}

/** The object in a body that begins with `k8s\0`. Throws BadRequest for bytes that are no such object. */
export async function decodeProtobuf(bytes: Uint8Array): Promise<JsonObject> {
  if (Buffer.compare(bytes.subarray(0, 4), Buffer.from('k8s\0')) !== 0)
    throw statusError(
      'BadRequest',
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
  const messages = await loadMessages();
  try {
    return decodeUnknown(messages, bytes.subarray(4));
  } catch (error) {
    if (error instanceof RangeError)
      throw statusError('BadRequest', `the protobuf body is not valid: ${error.message}`);
    throw error;
  }
}

/** runtime.Unknown: the kind, and the object's bytes. */
function decodeUnknown(messages: Messages, bytes: Uint8Array): JsonObject {
  let [apiVersion, kind] = ['', ''];
  let raw: Uint8Array = new Uint8Array(0);
  const reader = new WireReader(bytes);
  while (reader.more) {
    const { field, value } = reader.next();
    if (!(value instanceof Uint8Array)) continue;
    if (field === 2) raw = value;
    if (field !== 1) continue;
    const meta = new WireReader(value);
    while (meta.more) {
      const one = meta.next();
      if (!(one.value instanceof Uint8Array)) continue;
      if (one.field === 1) apiVersion = Buffer.from(one.value).toString();
      if (one.field === 2) kind = Buffer.from(one.value).toString();
    }
  }
  const name = messageName(apiVersion, kind);
  if (messages[name] === undefined)
    throw statusError(
      'BadRequest',
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`,
    );
  return { apiVersion, kind, ...(decodeMessage(messages, name, raw, 0) as JsonObject) };
}

function decodeMessage(messages: Messages, name: string, bytes: Uint8Array, depth: number): JsonValue | undefined {
  if (depth > maxDepth) throw new RangeError('nested too deeply');
  const known = wellKnown(name, bytes);
  if (known !== undefined) return known.value;
  const fields = messages[name] ?? [];
  const result: Record<string, JsonValue | undefined> = {};
  const reader = new WireReader(bytes);
  while (reader.more) {
    const { field: number, value } = reader.next();
    const field = fields.find(([one]) => one === number);
    if (field !== undefined) take(messages, result, field, value, depth);
  }
  return collapse(name, result);
}

/** Messages that are a list, or one of several things, in JSON. */
function collapse(name: string, result: JsonObject): JsonValue {
  const short = name.slice(name.lastIndexOf('.') + 1);
  if (short === 'ExtraValue' || short === 'Verbs') return result['items'] ?? [];
  if (short === 'JSONSchemaPropsOrBool') return result['schema'] ?? result['allows'] ?? false;
  if (short === 'JSONSchemaPropsOrArray') return result['schema'] ?? result['jSONSchemas'] ?? [];
  if (short === 'JSONSchemaPropsOrStringArray') return result['schema'] ?? result['property'] ?? [];
  return result;
}

function take(
  messages: Messages,
  result: Record<string, JsonValue | undefined>,
  [, name, type, repeated]: Field,
  value: Uint8Array | bigint,
  depth: number,
): void {
  if (type.startsWith('map:')) {
    const [, , of = ''] = type.split(':');
    const [key, item] = mapEntry(messages, of, value, depth);
    result[name] = { ...(result[name] as JsonObject | undefined), [key]: item };
    return;
  }
  const item = decodeValue(messages, type, value, depth);
  if (repeated === 'r') result[name] = [...((result[name] as readonly JsonValue[] | undefined) ?? []), item ?? null];
  // Go writes empty texts and times where JSON leaves them out.
  else if (item !== undefined && item !== '') result[name] = item;
}

function mapEntry(messages: Messages, of: string, value: Uint8Array | bigint, depth: number): [string, JsonValue] {
  if (!(value instanceof Uint8Array)) throw new RangeError('a map entry is no message');
  let key = '';
  let item: JsonValue = of === 'string' || of === 'bytes' ? '' : {};
  const reader = new WireReader(value);
  while (reader.more) {
    const { field, value: part } = reader.next();
    if (field === 1 && part instanceof Uint8Array) key = Buffer.from(part).toString();
    if (field === 2) item = decodeValue(messages, of, part, depth) ?? null;
  }
  return [key, item];
}

function decodeValue(
  messages: Messages,
  type: string,
  value: Uint8Array | bigint,
  depth: number,
): JsonValue | undefined {
  if (value instanceof Uint8Array) {
    if (type === 'string') return Buffer.from(value).toString();
    if (type === 'bytes') return Buffer.from(value).toString('base64');
    if (type === 'double') return Buffer.from(value).readDoubleLE(0);
    return decodeMessage(messages, type, value, depth + 1);
  }
  if (type === 'bool') return value !== 0n;
  const signed = BigInt.asIntN(64, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}
