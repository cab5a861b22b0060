/** `kubectl auth whoami`. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { jsonAnswer } from '../answers.ts';
import { timestamp } from '../api-object.ts';
import { readObject } from '../codec.ts';
import type { Scope } from '../scope.ts';

/** authentication.k8s.io/v1 UserInfo. */
export function userInfoJson(user: UserInfo): object {
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}

export async function selfSubjectReview(scope: Scope): Promise<ServerResponse> {
  const draft = await readObject(scope);
  return jsonAnswer(201, {
    kind: draft.kind,
    apiVersion: draft.apiVersion,
    metadata: { creationTimestamp: timestamp(scope.ctx.clock.now()) },
    status: { userInfo: userInfoJson(scope.user) },
  });
}
