/** What knows how one kind counts in quotas. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceList } from './resource-list.ts';
import type { QuotaScope } from './resource-quota.ts';

/** A write that may change what is used. */
export interface QuotaOperation {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly subresource: string;
  readonly object: KubeObject;
  readonly before: KubeObject | undefined;
}

/** How one kind counts. */
export interface QuotaEvaluator {
  /** Whether such a write can change what is used. */
  handles(operation: QuotaOperation): boolean;
  /** Those of the names that this kind takes from. */
  matching(names: readonly string[]): readonly string[];
  matchesScope(scope: QuotaScope, object: KubeObject): boolean;
  /** What the object must say because a quota counts `required`; undefined when it does. */
  constraint(required: readonly string[], object: KubeObject): string | undefined;
  usage(object: KubeObject, nowMs: number): ResourceList;
}
