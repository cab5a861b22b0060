/** managedFields on ordinary writes: the bridge to kube/objects. */
import { trackUpdate } from '@polyanthus/kube-objects/managed-fields';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import type { ApiObject } from './api-object.ts';
import { fieldManager, scopeNow, type Scope } from './scope.ts';

/** Fields that an endpoint never changes. */
export function resetFields(scope: Scope): readonly (readonly string[])[] {
  if (!scope.definition.strategy.hasStatus) return [];
  if (scope.subresource === 'status') return scope.definition.custom ? [['spec'], ['metadata']] : [['spec']];
  return scope.subresource === '' ? [['status']] : [];
}

/** `after` with managedFields that say what this request changed. */
export function trackFields(scope: Scope, before: ApiObject | undefined, after: ApiObject): ApiObject {
  return trackUpdate({
    before,
    after,
    schema: scope.definition.schema,
    manager: fieldManager(scope),
    now: scopeNow(scope),
    apiVersion: apiVersionOf(scope.definition.type),
    subresource: scope.subresource === '' ? undefined : scope.subresource,
    resetFields: resetFields(scope),
  }) as ApiObject;
}
