/** From a request's body to an object: limits, syntax, kind, unknown fields (fieldValidation), types, defaults. */
import { httpLimits } from '@polyanthus/ground-http/limits';
import { readBody } from '@polyanthus/ground-http/body';
import { header } from '@polyanthus/ground-http/headers';
import { scanJson } from '@polyanthus/kube-objects/byte-scan';
import { applyDefaults } from '@polyanthus/kube-objects/defaults';
import { parseScanned } from '@polyanthus/kube-objects/exact-json';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { objectMetaSchema } from '@polyanthus/kube-objects/meta-schema';
import { normalizeNative } from '@polyanthus/kube-objects/native';
import { prune } from '@polyanthus/kube-objects/prune';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { statusError, type StatusCause, type StatusError } from '@polyanthus/kube-objects/status';
import { validate } from '@polyanthus/kube-objects/validate';
import type { ApiMeta, ApiObject } from './api-object.ts';
import { fillNullItems } from './null-items.ts';
import { decodeProtobuf } from './protobuf/decode.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Scope } from './scope.ts';
import { parseYamlBody } from './yaml-body.ts';

/** Nesting that a body may have. */
const maxDepth = 1000;

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** `?fieldValidation`, Warn by default; other words were refused before (write-options.ts). */
export function fieldValidation(query: URLSearchParams): FieldValidation {
  const value = query.get('fieldValidation');
  return value === 'Ignore' || value === 'Strict' ? value : 'Warn';
}

/** The whole body; above 3 MiB it is RequestEntityTooLarge. */
export async function readRequestBody(scope: Pick<Scope, 'request'>): Promise<Uint8Array> {
  try {
    return await readBody(scope.request.body, httpLimits.bodyBytesMax);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'BodyTooLarge') throw error;
    throw statusError('RequestEntityTooLarge', `Request entity too large: limit is ${httpLimits.bodyBytesMax}`);
  }
}

const protobufType = 'application/vnd.kubernetes.protobuf';
const mediaTypes = `application/json, application/yaml, ${protobufType}`;

/** The body's media type without parameters; an absent one is JSON. */
export function mediaTypeOf(scope: Pick<Scope, 'request'>): string {
  const value = header(scope.request.headers, 'content-type') ?? '';
  return value.split(';')[0]?.trim().toLowerCase() || 'application/json';
}

/** A body as JSON, from JSON or YAML. `duplicates` are paths of keys that occur twice. */
export interface ParsedBody {
  readonly value: JsonValue;
  readonly duplicates: readonly string[];
}

/** YAML bodies are JSON more often than not (kubectl's are), and JSON has its own, faster reader. */
function looksLikeJson(bytes: Uint8Array): boolean {
  const first = bytes.find((byte) => byte > 0x20);
  return (
    first === 0x7b &&
    bytes.findLast((byte) => byte > 0x20) === 0x7d &&
    /^\s*\{\s*["}]/.test(Buffer.from(bytes.subarray(0, 256)).toString())
  );
}

export async function parseBody(bytes: Uint8Array, mediaType: string, duplicates: boolean): Promise<ParsedBody> {
  if (mediaType === protobufType) return { value: await decodeProtobuf(bytes), duplicates: [] };
  if (mediaType.endsWith('yaml') && !looksLikeJson(bytes)) return { value: await parseYamlBody(bytes), duplicates: [] };
  if (!mediaType.endsWith('json') && !mediaType.endsWith('yaml')) {
    throw statusError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${mediaTypes}`,
    );
  }
  const scan = scanJson(bytes, { maxDepth, duplicates });
  return { value: parseScanned(bytes, scan), duplicates: scan.duplicateKeys };
}

/** A small body whose schema the caller checks (bindings, options); an empty one is `{}`. Throws BadRequest. */
export async function readJsonBody(scope: Pick<Scope, 'request'>): Promise<JsonObject> {
  const bytes = await readRequestBody(scope);
  if (bytes.length === 0) return {};
  const { value } = await parseBody(bytes, mediaTypeOf(scope), false);
  if (!isObject(value)) throw statusError('BadRequest', 'the body of the request is not an object');
  return value;
}

/** The first 30 bytes of a body as apiserver shows them: text when it looks like JSON, else hexadecimal. */
function summary(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<empty>';
  const part = Buffer.from(bytes.subarray(0, 30));
  const text = part[0] === 0x7b ? part.toString() : part.toString('hex');
  return bytes.length > 30 ? `${text} ...` : text;
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the object of a create or an update. Unknown and duplicate fields are ignored, warned of or refused. */
export async function readObject(scope: Scope): Promise<ApiObject> {
  const mode = fieldValidation(scope.query);
  const bytes = await readRequestBody(scope);
  const mediaType = mediaTypeOf(scope);
  const { definition } = scope;
  let body: ParsedBody;
  try {
    body = await parseBody(bytes, mediaType, mode !== 'Ignore');
  } catch (error) {
    throw unrecognized(definition, error, bytes);
  }
  if (!isObject(body.value)) throw unrecognized(definition, new Error('json: cannot unmarshal into Go value'), bytes);
  const typed = checkKind(body.value, definition);
  return decode(scope, typed, mode, body.duplicates);
}

/** Whether the parser found the end where it wanted more. */
function isCutOff(bytes: Uint8Array, message: string): boolean {
  const at = /at position (\d+)/.exec(message)?.[1];
  return /unexpected end/i.test(message) || (at !== undefined && Number(at) >= bytes.length);
}

function unrecognized(definition: ResourceDefinition, error: unknown, bytes: Uint8Array): Error {
  const coded = error as { readonly status?: { readonly code: number }; readonly message?: string };
  if (coded.status !== undefined && coded.status.code !== 400) return error as Error;
  const why = isCutOff(bytes, coded.message ?? '') ? 'json parse error: unexpected end of JSON input' : coded.message;
  return statusError(
    'BadRequest',
    `the object provided is unrecognized (must be of type ${definition.type.kind}): couldn't get version/kind; ${why} (${summary(bytes)})`,
  );
}

/** The object with apiVersion and kind filled in where the body leaves them out. Throws BadRequest when they differ. */
export function checkKind(value: JsonObject, { type }: ResourceDefinition): ApiObject {
  const wanted = apiVersionOf(type);
  const apiVersion = value['apiVersion'] === undefined || value['apiVersion'] === '' ? wanted : value['apiVersion'];
  const kind = value['kind'] === undefined || value['kind'] === '' ? type.kind : value['kind'];
  if (kind !== type.kind) {
    const version = String(apiVersion).split('/').at(-1) ?? '';
    const own = type.group === '' ? 'core' : type.group.split('.')[0];
    throw statusError(
      'BadRequest',
      `${String(kind)} in version ${JSON.stringify(version)} cannot be handled as a ${type.kind}: converting (${version}.${String(kind)}) to (${own}.${type.kind}): unknown conversion`,
    );
  }
  if (apiVersion !== wanted) {
    throw statusError(
      'BadRequest',
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
  const { metadata } = value;
  return {
    ...value,
    apiVersion: wanted,
    kind: type.kind,
    metadata: metadata !== undefined && metadata !== null && isObject(metadata) ? metadata : {},
  } as ApiObject;
}

/** Applies a definition's schema to a parsed object: what it does not know goes, nulls go, defaults come, types fit. */
export function decode(
  scope: Scope,
  object: ApiObject,
  mode: FieldValidation,
  duplicates: readonly string[] = [],
): ApiObject {
  const { definition } = scope;
  const { value, unknown } = fit(definition, object);
  report(scope, mode, duplicates, unknown);
  return value;
}

/** The same without a request: the object as it would be read, and the paths of what was left out. Throws BadRequest. */
export function fit(
  definition: ResourceDefinition,
  object: ApiObject,
): { readonly value: ApiObject; readonly unknown: readonly string[] } {
  const pruned = prune(object, definition.schema);
  const value = definition.custom
    ? pruned.value
    : (normalizeNative(fillNullItems(pruned.value, definition.schema), definition.schema) as ApiObject);
  const faults = definition.custom
    ? validate(value.metadata, objectMetaSchema, undefined, { path: 'metadata' })
    : validate(value, definition.schema);
  if (faults.length > 0) throw unreadable(definition, faults);
  const whole = applyDefaults({ ...value, metadata: zeroed(value.metadata ?? {}) }, definition.schema);
  return { value: whole, unknown: pruned.unknown };
}

/** Nulls inside of metadata as Go reads them: empty texts and empty references. The same metadata when there are none. */
function zeroed(metadata: ApiMeta): ApiMeta {
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  const texts = [
    ...Object.values(labels ?? {}),
    ...Object.values(annotations ?? {}),
    ...(finalizers ?? []),
  ] as unknown[];
  if (!texts.includes(null) && !((ownerReferences ?? []) as unknown[]).includes(null)) return metadata;
  const filled = (map: Readonly<Record<string, string | null>>): Record<string, string> =>
    Object.fromEntries(Object.entries(map).map(([key, value]) => [key, value ?? '']));
  return {
    ...metadata,
    ...(labels === undefined ? {} : { labels: filled(labels) }),
    ...(annotations === undefined ? {} : { annotations: filled(annotations) }),
    ...(finalizers === undefined ? {} : { finalizers: finalizers.map((one: string | null) => one ?? '') }),
    ...(ownerReferences === undefined
      ? {}
      : { ownerReferences: ownerReferences.map((one: JsonObject | null) => one ?? {}) }),
  };
}

function unreadable({ type }: ResourceDefinition, faults: readonly StatusCause[]): StatusError {
  const texts = faults.map((fault) => `${fault.field ?? ''}: ${fault.message ?? ''}`);
  return statusError(
    'BadRequest',
    `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${texts.join(', ')}`,
  );
}

function report(scope: Scope, mode: FieldValidation, duplicates: readonly string[], unknown: readonly string[]): void {
  if (mode === 'Ignore') return;
  const texts = [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
  if (texts.length === 0) return;
  if (mode === 'Strict') throw strictError(scope.definition, texts);
  for (const text of texts) scope.warnings.add(text);
}

function strictError({ type }: ResourceDefinition, texts: readonly string[]): StatusError {
  return statusError(
    'BadRequest',
    `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: strict decoding error: ${texts.join(', ')}`,
  );
}
