import { defineErrors } from '@polyanthus/ground-base/errors';

export const controllersErrors = defineErrors({
  ControllerUnknown: {
    meaning: 'A controller was asked for that does not exist.',
    next: 'Use one of the names that the message lists.',
  },
  OwnerKindUnknown: {
    meaning:
      'An object names an owner of a kind that the API server does not serve, so nobody can tell whether the owner is gone.',
    next: 'Install the missing CRD again, or remove the owner reference from the object.',
  },
});
