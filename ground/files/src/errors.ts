/** Coded errors of files. */
import { defineErrors } from '@polyanthus/ground-base/errors';

export const filesErrors = defineErrors({
  FileLocked: {
    meaning: 'Another process holds the lock of a file or directory.',
    next: 'Stop the process that is named, or wait until it has ended.',
  },
  JournalDamaged: {
    meaning: 'A line in the middle of a journal does not have the checksum that it was written with.',
    next: 'Keep a copy of the file, then look at the named line; what stands before it can be trusted.',
    terminal: true,
  },
});
