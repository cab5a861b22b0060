/** PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { requiredValue } from '@polyanthus/kube-objects/field-errors';
import { applyJsonPatch } from '@polyanthus/kube-objects/json-patch';
import { applyConfiguration } from '@polyanthus/kube-objects/managed-fields';
import { applyMergePatch } from '@polyanthus/kube-objects/merge-patch';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { statusError } from '@polyanthus/kube-objects/status';
import { applyStrategicPatch } from '@polyanthus/kube-objects/strategic-patch';
import { requireCreate } from '../access/require-create.ts';
import type { ApiObject } from '../api-object.ts';
import {
  checkKind,
  decode,
  fieldValidation,
  mediaTypeOf,
  parseBody,
  readRequestBody,
  type FieldValidation,
} from '../codec.ts';
import { invalidOptions } from '../invalid.ts';
import { resetFields } from '../fields.ts';
import { applyKindDefaults } from '../kinds/defaults.ts';
import { objectAnswer } from '../render.ts';
import { scopeKey, scopeNow, type Scope } from '../scope.ts';
import { checkPlace } from './update.ts';
import { createObject, updateObject, type Written } from '../writes.ts';

type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** A patch whose body has been read. */
export interface ReadPatch {
  readonly type: PatchType;
  readonly body: JsonValue;
  readonly duplicates: readonly string[];
}

/** Reads the body and its type. Strategic patches are for built-in kinds only. */
export async function readPatch(scope: Scope): Promise<ReadPatch> {
  const mediaType = mediaTypeOf(scope);
  const type = patchTypes[mediaType];
  const custom = scope.definition.custom;
  if (type === undefined && !custom) throw statusError('UnsupportedMediaType', '415: Unsupported Media Type', {});
  if (type === undefined || (custom && type === 'strategic')) {
    const known = Object.keys(patchTypes).filter((one) => !(custom && patchTypes[one] === 'strategic'));
    throw statusError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${known.join(', ')}`,
    );
  }
  const bytes = await readRequestBody(scope);
  try {
    const parsed = await parseBody(
      bytes,
      type === 'apply' ? 'application/yaml' : 'application/json',
      fieldValidation(scope.query) !== 'Ignore',
    );
    return { type, body: parsed.value, duplicates: parsed.duplicates };
  } catch (error) {
    throw statusError('BadRequest', `error decoding patch: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export async function patchVerb(scope: Scope): Promise<ServerResponse> {
  const patch = await readPatch(scope);
  if (patch.type === 'apply') {
    const { stored, created } = await apply(scope, patch);
    return objectAnswer(scope, created ? 201 : 200, stored);
  }
  const mode = fieldValidation(scope.query);
  const pinned = pinsVersion(patch);
  const { stored } = await updateObject(scope, (before) => patched(scope, before, patch, mode), {
    retry: !pinned,
    track: true,
  });
  return objectAnswer(scope, 200, stored);
}

/** Whether the patch itself names the resourceVersion that it is meant for. */
function pinsVersion({ type, body }: ReadPatch): boolean {
  if (type === 'json')
    return (
      Array.isArray(body) &&
      (body as readonly (JsonObject | null)[]).some((one) => one?.['path'] === '/metadata/resourceVersion')
    );
  const metadata = (body as JsonObject | null)?.['metadata'];
  return typeof metadata === 'object' && metadata !== null && (metadata as JsonObject)['resourceVersion'] !== undefined;
}

/** The object after a JSON, merge or strategic patch, decoded as an update would be. */
function patched(scope: Scope, before: ApiObject, patch: ReadPatch, mode: FieldValidation): ApiObject {
  const changed = patchedValue(scope, before, patch);
  if (typeof changed !== 'object' || changed === null || Array.isArray(changed))
    throw statusError('BadRequest', 'error decoding patch: the result is not an object');
  const typed = checkKind(changed as JsonObject, scope.definition);
  checkPlace(scope, typed);
  return applyKindDefaults(scope.definition, decode(scope, typed, mode, patch.duplicates));
}

function patchedValue(scope: Scope, before: ApiObject, { type, body }: ReadPatch): JsonValue {
  if (type === 'json') return applyJsonPatch(before, body);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw statusError(
      'BadRequest',
      'error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}',
    );
  if (type === 'merge') return applyMergePatch(before, body);
  return applyStrategicPatch(before, body as JsonObject, scope.definition.schema);
}

/** Server-side apply: creates what does not exist. */
async function apply(scope: Scope, { body, duplicates }: ReadPatch): Promise<Written> {
  const manager = scope.query.get('fieldManager') ?? '';
  const force = scope.query.get('force') === 'true';
  if (manager === '')
    throw invalidOptions('PatchOptions', requiredValue('fieldManager', 'is required for apply patch'));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw statusError('BadRequest', 'error decoding YAML: the applied configuration is not an object');
  const mode = fieldValidation(scope.query);
  const given = body as JsonObject;
  if (((given['metadata'] as JsonObject | undefined)?.['managedFields'] ?? undefined) !== undefined)
    throw statusError('BadRequest', 'metadata.managedFields must be nil');
  const config = checkKind(requireType(given), scope.definition);
  const merge = (live: ApiObject | undefined): ApiObject => {
    const merged = applyConfiguration({
      live,
      config: { ...config, metadata: placed(scope, config) },
      schema: scope.definition.schema,
      manager,
      force,
      now: scopeNow(scope),
      apiVersion: apiVersionOf(scope.definition.type),
      subresource: scope.subresource === '' ? undefined : scope.subresource,
      resetFields: resetFields(scope),
    }) as ApiObject;
    return applyKindDefaults(scope.definition, decode(scope, merged, mode, duplicates));
  };
  if (scope.cluster.store.get(scopeKey(scope)) === undefined && scope.subresource === '') {
    await requireCreate(scope);
    return createObject(scope, merge(undefined), false);
  }
  return updateObject(scope, merge, { retry: true, track: false });
}

function requireType(body: JsonObject): JsonObject {
  if (typeof body['apiVersion'] !== 'string' || typeof body['kind'] !== 'string')
    throw statusError(
      'BadRequest',
      `invalid object type: ${String(body['apiVersion'] ?? '/')}, Kind=${String(body['kind'] ?? '')}`,
    );
  return body;
}

function placed(scope: Scope, config: ApiObject): ApiObject['metadata'] {
  const { name = scope.name, namespace = scope.namespace } = config.metadata;
  if (name !== scope.name)
    throw statusError(
      'BadRequest',
      `the name of the object (${name}) does not match the name on the URL (${scope.name})`,
    );
  if (scope.definition.type.namespaced && namespace !== scope.namespace)
    throw statusError(
      'BadRequest',
      `the namespace of the object (${namespace}) does not match the namespace on the URL (${scope.namespace})`,
    );
  return { ...config.metadata, name, ...(scope.definition.type.namespaced ? { namespace } : {}) };
}
