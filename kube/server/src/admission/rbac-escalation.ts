/**
 * Nobody hands out rights that they do not hold. Only a write that touches nothing but what the garbage collector
 * changes passes unchecked (kube rbac registry IsOnlyMutatingGCFields): a new label alone can aggregate a role into another.
 */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { requireNoEscalation } from '../access/escalation.ts';
import { withMeta, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

export async function rbacEscalation(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  if (operation === 'DELETE' || scope.definition.type.group !== 'rbac.authorization.k8s.io') return object;
  if (before !== undefined && equalJson(compared(object), compared(before))) return object;
  await requireNoEscalation(scope.cluster.rbac, scope, object, before);
  return object;
}

function compared(object: ApiObject): ApiObject {
  return withMeta(object, {
    ownerReferences: undefined,
    finalizers: undefined,
    managedFields: undefined,
    resourceVersion: undefined,
  });
}
