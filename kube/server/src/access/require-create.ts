/** Creating by PUT or by apply needs the right to create as well. */
import type { Attributes } from '@polyanthus/kube-access/user';
import { forbiddenAnswer } from '../forbidden.ts';
import type { Scope } from '../scope.ts';

/** Throws Forbidden when the user of the request may not create its object. */
export async function requireCreate(scope: Scope): Promise<void> {
  const { type } = scope.definition;
  const attributes: Attributes = {
    kind: 'resource',
    user: scope.user,
    verb: 'create',
    group: type.group,
    version: type.version,
    resource: type.resource,
    subresource: scope.subresource,
    namespace: scope.namespace,
    name: scope.name,
  };
  const decision = await scope.cluster.authorize(attributes);
  if (!decision.allowed) throw forbiddenAnswer(attributes, decision.reason);
}
