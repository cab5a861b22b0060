/** What the server knows of one served resource: built-in kinds and versions of custom ones look the same to the verbs. */
import type { TableColumn } from '@polyanthus/kube-kinds/columns';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { Schema } from '@polyanthus/kube-objects/schema';
import type { ApiObject } from '../api-object.ts';
import type { Strategy } from './strategy.ts';

/** Where objects are kept: two served resources may share one storage (Event of `v1` and of `events.k8s.io/v1`). */
export interface StorageType {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** Where a scale subresource finds its numbers, as JSON paths (`.spec.replicas`). */
export interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  /** Absent: the scale has no selector. */
  readonly labelSelector?: string;
}

export interface Subresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export interface ResourceDefinition {
  /** As served. */
  readonly type: ResourceType;
  readonly singular: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly schema: Schema;
  readonly columns: readonly TableColumn[];
  /** Beside metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  readonly storage: StorageType;
  readonly subresources: ReadonlyMap<string, Subresource>;
  readonly strategy: Strategy;
  /** From a CRD. */
  readonly custom: boolean;
  /** Reads the storage form into this version, and back; absent when only apiVersion differs, or nothing. */
  readonly conversion?: Conversion;
  readonly scale?: ScalePaths;
  /** Sent as a Warning with every answer. */
  readonly deprecationWarning?: string;
  /** OpenAPI v3 name of the type, and for custom kinds the schema itself. */
  readonly openApiName: string;
  readonly openApiSchema?: unknown;
}

export interface Conversion {
  readonly fromStorage: (object: ApiObject) => ApiObject;
  readonly toStorage: (object: ApiObject) => ApiObject;
}

/** `pods`, `deployments.apps`: how errors name a resource. */
export function qualifiedResource(definition: Pick<ResourceDefinition, 'type'>): string {
  const { group, resource } = definition.type;
  return group === '' ? resource : `${resource}.${group}`;
}
