/** Coded errors of files. */
import { defineErrors } from '@polyanthus/ground-base/errors';

export const filesErrors = defineErrors({
  FileNotWritten: {
    meaning:
      'A file or directory could not be written: the disk is full or read-only, or this user may not write there.',
    next: 'Make room on the disk, or look at the owner and the mode of the directory, and try again; an old file is untouched.',
  },
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
