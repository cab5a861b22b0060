import { defineErrors } from '@polyanthus/ground-base/errors';

export const rehearsalErrors = defineErrors({
  RehearsalUnreadable: {
    meaning: 'The file that was named holds no rehearsal.',
    next: 'Name the file that `polyanthus runbook rehearse` said it kept.',
  },
  RehearsalOfAnotherPlan: {
    meaning: 'The rehearsal that was named is not of the run that is started.',
    next: 'Rehearse anew with the parameters of the run, or start it with those that were rehearsed.',
  },
  TargetVersionInvalid: {
    meaning: 'The target version of a rehearsal is not a version of Kubernetes.',
    next: 'Give --target-version as 1.37 or v1.37.2.',
  },
});
