/** Writes that the server makes itself to another object than the one that was asked for: as kube-apiserver, to its status. */
import type { UserInfo } from '@polyanthus/kube-access/user';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Scope } from './scope.ts';

const apiServer: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** A scope on the status of `name`, in the namespace of `scope`. */
export function statusScope(scope: Scope, definition: ResourceDefinition, name: string): Scope {
  return {
    ...scope,
    definition,
    name,
    subresource: 'status',
    user: apiServer,
    query: new URLSearchParams({ fieldManager: 'kube-apiserver' }),
  };
}
