/** From an authorised request to the verb or document that answers it. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Scope } from './scope.ts';
import { virtualKinds } from './reviews/reviews.ts';
import { subresourceHandlers, objectSubresources } from './subresources/table.ts';
import { createVerb } from './verbs/create.ts';
import { deleteCollectionVerb } from './verbs/delete-collection.ts';
import { deleteVerb } from './verbs/delete.ts';
import { getVerb } from './verbs/get.ts';
import { listVerb } from './verbs/list.ts';
import { patchVerb } from './verbs/patch.ts';
import { updateVerb } from './verbs/update.ts';
import { watchVerb } from './verbs/watch.ts';

import { checkWriteOptions } from './write-options.ts';

type Verb = (scope: Scope) => ServerResponse | Promise<ServerResponse>;

const verbs: Readonly<Record<string, Verb>> = {
  get: getVerb,
  list: listVerb,
  watch: watchVerb,
  create: createVerb,
  update: updateVerb,
  patch: patchVerb,
  delete: deleteVerb,
  deletecollection: deleteCollectionVerb,
};

/** `the server could not find the requested resource`. */
export function noSuchPath(): StatusError {
  return statusError('NotFound', 'the server could not find the requested resource', {});
}

/** 405 as apiserver words it. */
export function methodNotAllowed(): StatusError {
  return statusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

/** Serves a request to a resource. `verb` is RequestInfo's. */
export async function serveResource(scope: Scope, verb: string): Promise<ServerResponse> {
  if (scope.definition.deprecationWarning !== undefined) scope.warnings.add(scope.definition.deprecationWarning);
  if (scope.subresource !== '') return serveSubresource(scope, verb);
  const virtual = virtualKinds[resourceKey(scope.definition)];
  if (virtual !== undefined) {
    if (verb !== 'create') throw methodNotAllowed();
    return virtual(scope);
  }
  const fn = verbs[verb];
  if (fn === undefined || !scope.definition.verbs.includes(verb)) throw methodNotAllowed();
  checkWriteOptions(scope, verb);
  return fn(scope);
}

const resourceKey = ({ type }: ResourceDefinition): string =>
  type.group === '' ? type.resource : `${type.resource}.${type.group}`;

function serveSubresource(scope: Scope, verb: string): Promise<ServerResponse> | ServerResponse {
  // The whole of it: rights are judged by the first part, and what follows must not choose another way to write.
  const name = scope.subresource;
  const known = scope.definition.subresources.get(name);
  if (known === undefined) throw noSuchPath();
  if (!known.verbs.includes(verb)) throw methodNotAllowed();
  const own = subresourceHandlers[`${resourceKey(scope.definition)}/${name}`] ?? subresourceHandlers[`*/${name}`];
  if (own !== undefined) return own(scope, verb);
  if (!objectSubresources.has(name))
    throw statusError('InternalError', `${name} of ${resourceKey(scope.definition)} is not served here`);
  const fn = verbs[verb];
  if (fn === undefined) throw methodNotAllowed();
  checkWriteOptions(scope, verb);
  return fn(scope);
}
