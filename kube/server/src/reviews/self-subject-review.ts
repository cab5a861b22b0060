/** `kubectl auth whoami`. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { userInfoJson } from '@polyanthus/kube-access/user';
import { jsonAnswer } from '../answers.ts';
import { timestamp } from '../api-object.ts';
import { readObject } from '../codec.ts';
import type { Scope } from '../scope.ts';

export async function selfSubjectReview(scope: Scope): Promise<ServerResponse> {
  const draft = await readObject(scope);
  return jsonAnswer(201, {
    kind: draft.kind,
    apiVersion: draft.apiVersion,
    metadata: { creationTimestamp: timestamp(scope.ctx.clock.now()) },
    status: { userInfo: userInfoJson(scope.user) },
  });
}
