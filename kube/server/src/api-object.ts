/** The shape that the server works on: any object whose metadata is understood and whose rest is plain JSON. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { StatusCause } from '@polyanthus/kube-objects/status';

export interface ApiMeta extends JsonObject {
  readonly name?: string | undefined;
  readonly generateName?: string | undefined;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly generation?: number | undefined;
  readonly creationTimestamp?: string | null | undefined;
  readonly deletionTimestamp?: string | undefined;
  readonly deletionGracePeriodSeconds?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly ownerReferences?: readonly JsonObject[] | undefined;
  readonly finalizers?: readonly string[] | undefined;
  readonly managedFields?: readonly JsonObject[] | undefined;
}

export interface ApiObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ApiMeta;
}

/** `object` with some metadata replaced; a value of `undefined` removes the member. */
export function withMeta(object: ApiObject, changes: ApiMeta): ApiObject {
  const metadata: Record<string, unknown> = { ...object.metadata };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete metadata[key];
    else metadata[key] = value;
  }
  return { ...object, metadata: metadata as ApiMeta };
}

/** An object member as an object; `{}` when it is something else. */
export function objectAt(value: JsonObject, key: string): JsonObject {
  const found = value[key];
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as JsonObject) : {};
}

/** A list member as objects, where null counts as `{}` as in Go; empty when it is something else. */
export function listAt(value: JsonObject, key: string): readonly JsonObject[] {
  const found = value[key];
  if (!Array.isArray(found)) return [];
  return (found as readonly (JsonObject | null)[]).map((item) =>
    typeof item === 'object' && item !== null ? item : {},
  );
}

/** A text member; empty when it is something else. */
export function textAt(value: JsonObject, key: string): string {
  const found = value[key];
  return typeof found === 'string' ? found : '';
}

/** `object` without `key`. */
export function without(object: ApiObject, key: string): ApiObject {
  if (!(key in object)) return object;
  const copy: Record<string, unknown> = { ...object };
  delete copy[key];
  return copy as unknown as ApiObject;
}

/** Milliseconds since the epoch as Kubernetes writes times: RFC 3339, whole seconds, UTC. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** What a rule of a kind finds wrong; none means it is fine. */
export type Faults = readonly StatusCause[];
