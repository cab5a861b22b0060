import { defineErrors } from '@polyanthus/ground-base/errors';

export const controllersErrors = defineErrors({
  ControllerUnknown: {
    meaning: 'A controller was asked for that does not exist.',
    next: 'Use one of the names that the message lists.',
  },
  DisruptionUncountable: {
    meaning:
      'Nobody can say how many pods a disruption budget should have: a pod has an owner without a scale, or an owner that is gone.',
    next: 'Give the budget an integer minAvailable, or bring the owner that the message names back.',
  },
  OwnerKindUnknown: {
    meaning:
      'An object names an owner of a kind that the API server does not serve, so nobody can tell whether the owner is gone.',
    next: 'Install the missing CRD again, or remove the owner reference from the object.',
  },
});
