import { defineErrors } from '@polyanthus/ground-base/errors';

export const cliErrors = defineErrors({
  UsageError: {
    meaning: 'The command line has an unknown option, a missing argument or a value of the wrong form.',
    next: 'Look at the command with --help.',
    usage: true,
  },
  UnknownOutputFormat: {
    meaning: 'The value of -o is not a format of this command.',
    next: 'Use one of the formats that the message names.',
    usage: true,
  },
});
