import { defineErrors } from '@polyanthus/ground-base/errors';

export const simErrors = defineErrors({
  PodAddressesExhausted: {
    meaning: 'A simulated node has given away every address of its pod range.',
    next: 'Give the node a larger podCidr, or lower its capacity for pods.',
  },
  SimulatedNodeInvalid: {
    meaning: 'The description of a simulated node cannot be used.',
    next: 'Correct the field that the message names.',
    terminal: true,
  },
});
