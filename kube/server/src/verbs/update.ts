/** PUT of an object or of a subresource that has the object's shape (status, finalize, approval …). */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { notFound, statusError } from '@polyanthus/kube-objects/status';
import { requireCreate } from '../access/require-create.ts';
import type { ApiObject } from '../api-object.ts';
import { readObject } from '../codec.ts';
import { applyKindDefaults } from '../kinds/defaults.ts';
import { objectAnswer } from '../render.ts';
import { scopeKey, type Scope } from '../scope.ts';
import { createObject, updateObject } from '../writes.ts';

export async function updateVerb(scope: Scope): Promise<ServerResponse> {
  const draft = applyKindDefaults(scope.definition, await readObject(scope));
  checkPlace(scope, draft);
  const exists = scope.cluster.store.get(scopeKey(scope)) !== undefined;
  if (!exists && scope.definition.strategy.createOnUpdate && scope.subresource === '') {
    const { group, resource } = scope.definition.type;
    if ((draft.metadata.resourceVersion ?? '') !== '' || (draft.metadata.uid ?? '') !== '')
      throw notFound(group, resource, scope.name);
    await requireCreate(scope);
    const { stored } = await createObject(scope, draft);
    return objectAnswer(scope, 201, stored);
  }
  const { stored } = await updateObject(scope, () => draft, { retry: true, track: true });
  return objectAnswer(scope, 200, stored);
}

/** The body must name the object that the URL names. */
export function checkPlace(scope: Scope, draft: ApiObject): void {
  const { name = '', namespace = '' } = draft.metadata;
  if (name === '') throw statusError('BadRequest', 'name must be provided');
  if (name !== scope.name)
    throw statusError(
      'BadRequest',
      `the name of the object (${name}) does not match the name on the URL (${scope.name})`,
    );
  if (scope.definition.type.namespaced && namespace !== '' && namespace !== scope.namespace)
    throw statusError(
      'BadRequest',
      `the namespace of the object (${namespace}) does not match the namespace on the URL (${scope.namespace})`,
    );
}
