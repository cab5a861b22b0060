/** NamespaceLifecycle: a namespace must exist and must not be ending; the first three cannot be deleted. */
import { notFound, statusError } from '@polyanthus/kube-objects/status';
import { objectAt, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import { qualifiedResource } from '../registry/definition.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);

/** A Forbidden as kube-apiserver words one from admission. */
export function forbidden(scope: Scope, name: string, why: string): Error {
  const { group, resource } = scope.definition.type;
  return statusError('Forbidden', `${qualifiedResource(scope.definition)} "${name}" is forbidden: ${why}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: resource,
  });
}

/** The name of an object that is admitted: where one will be made, what it is made of (apiserver admission/errors.go). */
export function admittedName({ metadata }: ApiObject): string {
  return metadata.name || metadata.generateName || 'Unknown';
}

export function lifecycle(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { type } = scope.definition;
  if (operation === 'DELETE') {
    if (type.group === '' && type.resource === 'namespaces' && immortal.has(scope.name))
      throw forbidden(scope, scope.name, 'this namespace may not be deleted');
    return object;
  }
  if (operation !== 'CREATE' || !type.namespaced) return object;
  const namespace = scope.cluster.namespace(scope.namespace);
  if (namespace === undefined) throw notFound('', 'namespaces', scope.namespace);
  const parsed = parseKept(namespace);
  const ending =
    parsed.metadata.deletionTimestamp !== undefined || objectAt(parsed, 'status')['phase'] === 'Terminating';
  if (!ending) return object;
  const name = admittedName(object);
  const why = `unable to create new content in namespace ${scope.namespace} because it is being terminated`;
  const { group, resource } = type;
  throw statusError('Forbidden', `${qualifiedResource(scope.definition)} "${name}" is forbidden: ${why}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: resource,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${scope.namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}
