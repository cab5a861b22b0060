/** meta.k8s.io Table and PartialObjectMetadata: what `kubectl get` and metadata clients ask for. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';
import type { ApiObject } from './api-object.ts';
import type { ResourceDefinition } from './registry/definition.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** `?includeObject` of a table, Metadata by default. */
export function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw statusError('BadRequest', `unrecognized includeObject value: ${JSON.stringify(value)}`);
}

export interface TableOptions {
  readonly definition: ResourceDefinition;
  readonly version: 'v1' | 'v1beta1';
  readonly include: IncludeObject;
  readonly nowMs: number;
  /** Column definitions: only in the first table of a watch. */
  readonly columns: boolean;
}

/** A Table of these objects. `metadata` is that of the list, or of the one object. */
export function tableOf(objects: readonly ApiObject[], metadata: JsonObject, options: TableOptions): JsonObject {
  const { definition, version, include, nowMs } = options;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: options.columns ? definition.columns.map(({ cell: _cell, ...column }) => ({ ...column })) : null,
    rows: objects.map((object) => ({
      cells: definition.columns.map((column) => column.cell(object, nowMs)),
      ...conditionsOf(object),
      object: include === 'None' ? null : include === 'Object' ? object : partialOf(object, version),
    })),
  };
}

/** Pods that have ended are marked, so that kubectl can tell. */
function conditionsOf(object: ApiObject): { conditions?: JsonObject[] } {
  if (object.kind !== 'Pod') return {};
  const { status } = object;
  const phase = typeof status === 'object' && status !== null ? (status as JsonObject)['phase'] : undefined;
  if (phase !== 'Succeeded' && phase !== 'Failed') return {};
  const message = phase === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.';
  return { conditions: [{ type: 'Completed', status: 'True', reason: phase, message }] };
}

/** The metadata of an object alone. */
export function partialOf(object: ApiObject, version: 'v1' | 'v1beta1'): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}
