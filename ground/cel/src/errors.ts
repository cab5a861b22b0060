import { defineErrors } from '@polyanthus/ground-base/errors';

export const celErrors = defineErrors({
  PatternInvalid: {
    meaning: 'A regular expression is not valid: look-around and back references do not exist in RE2.',
    next: 'Write it in the RE2 syntax that Kubernetes uses.',
  },
  ExpressionInvalid: {
    meaning: 'A CEL expression cannot be compiled: its syntax is wrong, or it names what is not there.',
    next: 'Write it in CEL with the variables self and oldSelf and the functions that Kubernetes lists for validation rules.',
  },
});
