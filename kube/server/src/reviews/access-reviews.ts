/** Self-, Local- and SubjectAccessReview: may this user do that? */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { Attributes, UserInfo } from '@polyanthus/kube-access/user';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';
import { invalidObject } from '../invalid.ts';
import { jsonAnswer } from '../answers.ts';
import { objectAt, textAt, type ApiObject } from '../api-object.ts';
import { readObject } from '../codec.ts';
import { trackFields } from '../fields.ts';
import type { Scope } from '../scope.ts';

export async function selfSubjectAccessReview(scope: Scope): Promise<ServerResponse> {
  const review = await readObject(scope);
  return answer(scope, review, scope.user);
}

export async function subjectAccessReview(scope: Scope): Promise<ServerResponse> {
  const review = await readObject(scope);
  return answer(scope, review, subjectOf(review));
}

export async function localSubjectAccessReview(scope: Scope): Promise<ServerResponse> {
  const review = await readObject(scope);
  const namespace = textAt(objectAt(objectAt(review, 'spec'), 'resourceAttributes'), 'namespace');
  if (namespace !== scope.namespace)
    throw statusError(
      'Invalid',
      `LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: ${JSON.stringify(namespace)}: must match metadata.namespace`,
    );
  return answer(scope, review, subjectOf(review));
}

function subjectOf(review: ApiObject): UserInfo {
  const spec = objectAt(review, 'spec');
  const groups = Array.isArray(spec['groups']) ? (spec['groups'] as string[]) : [];
  const username = textAt(spec, 'user');
  if (username === '' && groups.length === 0)
    throw statusError(
      'Invalid',
      `${review.kind}.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified`,
    );
  const extra = spec['extra'] === undefined ? {} : { extra: objectAt(spec, 'extra') as Record<string, string[]> };
  const uid = textAt(spec, 'uid');
  return { username, groups, ...(uid === '' ? {} : { uid }), ...extra };
}

async function answer(scope: Scope, review: ApiObject, user: UserInfo): Promise<ServerResponse> {
  const decision = await scope.cluster.authorize(attributesOf(review, user));
  const { metadata: _metadata, ...rest } = review;
  return jsonAnswer(201, {
    ...rest,
    metadata: trackFields(scope, undefined, review).metadata,
    status: {
      allowed: decision.allowed,
      ...(decision.denied === true ? { denied: true } : {}),
      ...(decision.reason === '' ? {} : { reason: decision.reason }),
    },
  });
}

function attributesOf(review: ApiObject, user: UserInfo): Attributes {
  const spec = objectAt(review, 'spec');
  const resource = spec['resourceAttributes'] as JsonObject | undefined;
  const other = spec['nonResourceAttributes'] as JsonObject | undefined;
  // The kind is missing in the real answer too.
  if ((resource === undefined) === (other === undefined))
    throw invalidObject('authorization.k8s.io', '', '', [
      invalidValue('spec', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'),
    ]);
  if (resource === undefined)
    return { kind: 'nonResource', user, verb: textAt(other ?? {}, 'verb'), path: textAt(other ?? {}, 'path') };
  return {
    kind: 'resource',
    user,
    verb: textAt(resource, 'verb'),
    group: textAt(resource, 'group'),
    version: textAt(resource, 'version'),
    resource: textAt(resource, 'resource'),
    subresource: textAt(resource, 'subresource'),
    namespace: textAt(resource, 'namespace'),
    name: textAt(resource, 'name'),
  };
}
