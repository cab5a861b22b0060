/** Kinds that are questions, not objects: POST answers them, nothing is stored. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { Scope } from '../scope.ts';
import { localSubjectAccessReview, selfSubjectAccessReview, subjectAccessReview } from './access-reviews.ts';
import { selfSubjectReview } from './self-subject-review.ts';

/** By `resource.group`. */
export const virtualKinds: Readonly<Record<string, (scope: Scope) => Promise<ServerResponse>>> = {
  'selfsubjectreviews.authentication.k8s.io': selfSubjectReview,
  'selfsubjectaccessreviews.authorization.k8s.io': selfSubjectAccessReview,
  'subjectaccessreviews.authorization.k8s.io': subjectAccessReview,
  'localsubjectaccessreviews.authorization.k8s.io': localSubjectAccessReview,
};
