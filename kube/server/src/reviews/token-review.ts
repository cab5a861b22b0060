/** TokenReview: whose token is this? */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { invalidObject } from '../invalid.ts';
import { jsonAnswer } from '../answers.ts';
import { objectAt, textAt } from '../api-object.ts';
import { readObject } from '../codec.ts';
import { tokenIssuerName } from '../access/identity.ts';
import type { Scope } from '../scope.ts';
import { userInfoJson } from '@polyanthus/kube-access/user';

export async function tokenReview(scope: Scope): Promise<ServerResponse> {
  const review = await readObject(scope);
  const spec = objectAt(review, 'spec');
  const token = textAt(spec, 'token');
  if (token === '')
    throw invalidObject('authentication.k8s.io', 'TokenReview', '', [
      invalidValue('spec.token', '', 'token must not be empty'),
    ]);
  const given = spec['audiences'];
  const audiences = Array.isArray(given) && given.length > 0 ? (given as string[]) : [tokenIssuerName];
  return jsonAnswer(201, { ...review, status: await statusOf(scope, token, audiences) });
}

async function statusOf(scope: Scope, token: string, audiences: readonly string[]): Promise<object> {
  try {
    const found = await scope.cluster.reviewToken(scope.ctx, token, audiences);
    if (found === undefined) return { authenticated: false, user: {}, error: 'the token is not one of this cluster' };
    return { authenticated: true, user: userInfoJson(found.user), audiences: found.audiences };
  } catch (error) {
    return { authenticated: false, user: {}, error: error instanceof Error ? error.message : String(error) };
  }
}
