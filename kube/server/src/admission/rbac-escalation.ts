/** RBAC escalation checks are wired when the authorizer is there. */
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './admit.ts';

export async function rbacEscalation(scope: Scope, operation: Operation, object: ApiObject): Promise<ApiObject> {
  const { group } = scope.definition.type;
  if (operation === 'DELETE' || group !== 'rbac.authorization.k8s.io') return object;
  await scope.cluster.checkEscalation(scope, object);
  return object;
}
