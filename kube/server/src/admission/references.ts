/** The cluster's own rules on objects that hand out rights by naming others (kube/access reference-guard.ts). */
import { checkReferences } from '@polyanthus/kube-access/reference-guard';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { objectAt, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

export async function references(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  if (operation === 'DELETE' || scope.subresource !== '') return object;
  if (before !== undefined && equalJson(object['spec'], before['spec'])) return object;
  const { group, resource } = scope.definition.type;
  const { user, namespace, cluster } = scope;
  const write = { user, group, resource, namespace, name: object.metadata.name ?? '', spec: objectAt(object, 'spec') };
  for (const guard of cluster.referenceGuards) {
    const refused = await checkReferences(guard, write, (attributes) => cluster.authorize(attributes));
    if (refused !== undefined) throw refused;
  }
  return object;
}
