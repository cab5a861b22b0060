import { defineErrors } from '@polyanthus/ground-base/errors';

export const rehearsalErrors = defineErrors({
  TargetVersionInvalid: {
    meaning: 'The target version of a rehearsal is not a version of Kubernetes.',
    next: 'Give --target-version as 1.37 or v1.37.2.',
  },
});
