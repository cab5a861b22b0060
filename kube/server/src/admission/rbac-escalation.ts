/** Nobody hands out rights that they do not hold. Unchanged rules and references pass. */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './admit.ts';

export async function rbacEscalation(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  const { group, resource } = scope.definition.type;
  if (operation === 'DELETE' || group !== 'rbac.authorization.k8s.io') return object;
  const parts = resource.endsWith('bindings') ? ['roleRef', 'subjects'] : ['rules', 'aggregationRule'];
  if (before !== undefined && parts.every((part) => equalJson(object[part], before[part]))) return object;
  await scope.cluster.checkEscalation(scope, object);
  return object;
}
