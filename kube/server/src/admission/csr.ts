/** CertificateSigningRequests carry who asked; nobody can claim to be another. */
import { objectAt, type ApiObject } from '../api-object.ts';
import { userInfoJson } from '@polyanthus/kube-access/user';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

export function requester(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): ApiObject {
  if (scope.definition.type.resource !== 'certificatesigningrequests' || scope.definition.custom) return object;
  if (operation === 'CREATE') {
    const spec: Record<string, unknown> = { ...objectAt(object, 'spec'), ...userInfoJson(scope.user) };
    return { ...object, spec: spec as ApiObject['spec'] };
  }
  if (operation !== 'UPDATE' || before === undefined) return object;
  const kept: ApiObject = { ...object, spec: before['spec'] };
  if (scope.subresource !== 'approval') return kept;
  const conditions = objectAt(object, 'status')['conditions'];
  return { ...kept, status: { ...objectAt(before, 'status'), ...(conditions === undefined ? {} : { conditions }) } };
}
