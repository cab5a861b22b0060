/** pods/eviction: a deletion that asks first. Disruption budgets are not counted yet. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer } from '../answers.ts';
import { objectAt } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import { isDryRun, type Scope } from '../scope.ts';
import { deleteObject } from '../verbs/delete.ts';

export async function evictPod(scope: Scope): Promise<ServerResponse> {
  const body = await readJsonBody(scope);
  const options = objectAt(body, 'deleteOptions');
  const preconditions = objectAt(options, 'preconditions');
  const grace = options['gracePeriodSeconds'];
  await deleteObject(scope, {
    graceSeconds: typeof grace === 'number' ? grace : undefined,
    propagation: undefined,
    uid: preconditions['uid'] as string | undefined,
    resourceVersion: preconditions['resourceVersion'] as string | undefined,
    dryRun: isDryRun(scope) || Array.isArray(options['dryRun']),
  });
  return jsonAnswer(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}
