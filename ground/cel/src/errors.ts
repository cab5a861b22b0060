import { defineErrors } from '@polyanthus/ground-base/errors';

export const celErrors = defineErrors({
  PatternInvalid: {
    meaning: 'A regular expression is not valid: look-around and back references do not exist in RE2.',
    next: 'Write it in the RE2 syntax that Kubernetes uses.',
  },
});
