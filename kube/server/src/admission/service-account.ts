/** ServiceAccount: every pod runs as one that exists; `default` unless it says another. */
import { objectAt, textAt, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';
import { admittedName, forbidden } from './namespace-lifecycle.ts';

export function serviceAccount(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { type } = scope.definition;
  if (operation !== 'CREATE' || type.group !== '' || type.resource !== 'pods' || scope.subresource !== '')
    return object;
  const spec = objectAt(object, 'spec');
  if (objectAt(object.metadata, 'annotations')['kubernetes.io/config.mirror'] !== undefined) return object;
  const name = textAt(spec, 'serviceAccountName') || 'default';
  if (scope.cluster.find('', 'serviceaccounts', scope.namespace, name) === undefined)
    throw forbidden(
      scope,
      admittedName(object),
      `error looking up service account ${scope.namespace}/${name}: serviceaccount "${name}" not found`,
    );
  return { ...object, spec: { ...spec, serviceAccountName: name, serviceAccount: name } };
}
