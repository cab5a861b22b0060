import { defineErrors } from '@polyanthus/ground-base/errors';

export const hubErrors = defineErrors({
  IdentityUnreadable: {
    meaning:
      "The file with the hub's keys is missing, damaged or of a later version, so the hub cannot prove to agents who it is.",
    next: 'Restore the data directory from a backup, or start with another --data-dir.',
  },
  WorkerFailed: {
    meaning: 'A worker of the hub ended or did not start; the hub stops rather than serve half.',
    next: 'Look at the cause in the message and the log, then start the hub again.',
  },
  AddressUnsafe: {
    meaning: 'A listening address or host name has a form that cannot be used.',
    next: 'Give --listen as HOST:PORT.',
  },
});
