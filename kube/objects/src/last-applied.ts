/** What `kubectl apply` without --server-side wrote, for users who change over (apimachinery managedfields lastapplied*.go). */
import { compareFields, fieldsOf } from './field-walk.ts';
import { FieldSet } from './field-set.ts';
import { isObject, member, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

function annotationsOf(object: JsonObject): JsonObject {
  const metadata = member(object, 'metadata');
  const annotations = isObject(metadata) ? member(metadata, 'annotations') : undefined;
  return isObject(annotations) ? annotations : {};
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Fields that client-side apply set and that are as it set them. */
export function forgivenByLastApplied(live: JsonObject, schema: Schema, apiVersion: string): FieldSet {
  const text = member(annotationsOf(live), annotation);
  const last = typeof text === 'string' ? parsed(text) : undefined;
  if (!isObject(last) || last['apiVersion'] !== apiVersion) return new FieldSet();
  const change = compareFields(last, live, schema);
  return fieldsOf(last, schema).difference(change.modified).difference(change.added).difference(change.removed);
}

/** The object with the annotation brought up to date where it is, so that client-side apply goes on from there. */
export function withLastApplied(object: JsonObject, config: JsonObject): JsonObject {
  const annotations = annotationsOf(object);
  if (member(annotations, annotation) === undefined) return object;
  const configMeta = member(config, 'metadata');
  const { [annotation]: _old, ...rest } = annotationsOf(config);
  const applied: Draft = { ...config };
  if (isObject(configMeta) && member(configMeta, 'annotations') !== undefined)
    applied['metadata'] = { ...configMeta, annotations: rest };
  const metadata = member(object, 'metadata');
  const text = `${JSON.stringify(applied)}\n`;
  return {
    ...object,
    metadata: { ...(isObject(metadata) ? metadata : {}), annotations: { ...annotations, [annotation]: text } },
  };
}
