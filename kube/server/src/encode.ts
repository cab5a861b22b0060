/** From an object to what the store keeps: canonical bytes with the resourceVersion inside, and the index. */
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import { parseJson } from '@polyanthus/kube-objects/exact-json';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { ApiObject } from './api-object.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import type { ObjectIndex, StoredObject } from './store/store.ts';

/** Bytes of an object as written at `revision`. apiVersion and kind come first, then metadata, as kube-apiserver writes. */
export function encodeAt(object: ApiObject, revision: number): Uint8Array {
  const { apiVersion, kind, metadata, ...rest } = object;
  return encodeJson({ kind, apiVersion, metadata: { ...metadata, resourceVersion: String(revision) }, ...rest });
}

/** The object behind stored bytes, in its storage version. */
export function parseStored(stored: StoredObject): ApiObject {
  return parseJson(stored.bytes) as ApiObject;
}

const parsed = new WeakMap<StoredObject, ApiObject>();

/**
 * The same, kept while the stored object lives: for the few kinds that every request looks at (roles, namespaces). Others
 * are parsed when needed, because parsed objects take twice the memory of their bytes.
 */
export function parseKept(stored: StoredObject): ApiObject {
  let object = parsed.get(stored);
  if (object === undefined) {
    object = parseStored(stored);
    parsed.set(stored, object);
  }
  return object;
}

/** The object in the version of `definition`. */
export function readStored(stored: StoredObject, definition: ResourceDefinition): ApiObject {
  const object = parseStored(stored);
  return definition.conversion === undefined ? object : definition.conversion.fromStorage(object);
}

/** The bytes in the version of `definition`: the stored ones where that is the storage version. */
export function bytesFor(stored: StoredObject, definition: ResourceDefinition): Uint8Array {
  if (definition.conversion === undefined) return stored.bytes;
  const object = parseStored(stored);
  const read = definition.conversion.fromStorage(object);
  return read === object ? stored.bytes : encodeJson(read);
}

/** The object in its storage version. */
export function toStorage(object: ApiObject, definition: ResourceDefinition): ApiObject {
  return definition.conversion === undefined ? object : definition.conversion.toStorage(object);
}

/** What lists filter by without parsing. `object` is in the storage version. */
export function indexOf(object: ApiObject, definition: ResourceDefinition): ObjectIndex {
  const { metadata } = object;
  const owners = (metadata.ownerReferences ?? []).map((owner) => String(owner['uid'] ?? ''));
  return {
    ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
    fields: fieldsOf(object, definition),
    ...(owners.length === 0 ? {} : { owners }),
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
  };
}

function fieldsOf(object: ApiObject, definition: ResourceDefinition): Record<string, string> {
  const fields: Record<string, string> = { 'metadata.name': object.metadata.name ?? '' };
  if (definition.type.namespaced) fields['metadata.namespace'] = object.metadata.namespace ?? '';
  const computed = definition.strategy.fields?.(object) ?? {};
  for (const path of definition.selectableFields) fields[path] = computed[path] ?? fieldText(object, path);
  return fields;
}

/** The value at a dotted path as a field selector compares it: absent is empty. */
function fieldText(object: JsonObject, path: string): string {
  let value: JsonValue | undefined = object;
  for (const part of path.replace(/^\./, '').split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return '';
    value = (value as JsonObject)[part];
  }
  if (value === undefined || value === null || typeof value === 'object') return '';
  return String(value);
}

/** An object with a resourceVersion put in: previous states of deleted objects, dry runs. */
export function atRevision(object: ApiObject, revision: number): ApiObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
