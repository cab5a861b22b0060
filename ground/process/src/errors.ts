import { defineErrors } from '@polyanthus/ground-base/errors';

export const processErrors = defineErrors({
  ProgramMissing: {
    meaning: 'An external program is not installed or not on the path.',
    next: 'Install the program that the message names, or put its folder on PATH.',
  },
  ProgramNotAllowed: {
    meaning: 'An external program is there but may not be run.',
    next: 'Check that the file is executable and for this machine.',
  },
  ProgramFailed: {
    meaning: 'An external program ended with an error.',
    next: 'Read what it wrote; the end of it is in the message.',
  },
  ProgramTimedOut: {
    meaning: 'An external program did not end within its time and was stopped.',
    next: 'Look at what it waited for, then run it again.',
  },
  ProgramTalkedTooMuch: {
    meaning: 'An external program wrote more than is read and was stopped.',
    next: 'Narrow what it is asked for.',
  },
});
