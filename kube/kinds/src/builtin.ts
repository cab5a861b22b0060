/** The built-in kinds of Kubernetes 1.37, from facts generated out of its OpenAPI and discovery documents. */
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { Definitions, Schema } from '@polyanthus/kube-objects/schema';
import type { TableColumn } from './columns.ts';

export interface BuiltinSubresource {
  /** `status`, `scale`, `exec`… */
  readonly name: string;
  /** Kind of its body or answer. Group and version are empty when they are the parent's. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export interface BuiltinKind {
  readonly type: ResourceType;
  readonly schema: Schema;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly BuiltinSubresource[];
  readonly columns: readonly TableColumn[];
  /** Beside metadata.name and metadata.namespace: `spec.nodeName`, `involvedObject.uid`… */
  readonly selectableFields: readonly string[];
  /** `io.k8s.api.apps.v1.Deployment`. */
  readonly openApiName: string;
}

/** All built-in kinds. The facts are read once and shared. */
export function loadBuiltins(): Promise<readonly BuiltinKind[]> {
  throw new Error('not built yet');
}

/** The OpenAPI v3 definitions (without descriptions) that the kinds refer to, for `/openapi/v3`. */
export function loadDefinitions(): Promise<Definitions> {
  throw new Error('not built yet');
}

/** Descriptions by definition and property (`''` is the definition's own), for `/openapi/v3` and `explain`. */
export function loadDescriptions(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  throw new Error('not built yet');
}
