/** SelfSubjectRulesReview: `kubectl auth can-i --list`. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer } from '../answers.ts';
import { objectAt, textAt } from '../api-object.ts';
import { readObject } from '../codec.ts';
import type { Scope } from '../scope.ts';

export async function selfSubjectRulesReview(scope: Scope): Promise<ServerResponse> {
  const review = await readObject(scope);
  const namespace = textAt(objectAt(review, 'spec'), 'namespace');
  const rules = scope.cluster.rbac.rulesFor(scope.user, namespace);
  const resourceRules = rules
    .filter((rule) => (rule.resources ?? []).length > 0)
    .map(({ verbs, apiGroups = [], resources = [], resourceNames }) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames === undefined ? {} : { resourceNames }),
    }));
  const nonResourceRules = rules
    .filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
    .map(({ verbs, nonResourceURLs = [] }) => ({ verbs, nonResourceURLs }));
  return jsonAnswer(201, { ...review, status: { resourceRules, nonResourceRules, incomplete: false } });
}
