/** Coded errors of the store. */
import { defineErrors } from '@polyanthus/ground-base/errors';

export const storeErrors = defineErrors({
  Compacted: {
    meaning: 'The store no longer has the history of the revision that a watch or a page asks for.',
    next: 'List again without a continue token, and watch from the revision of that list.',
  },
  FutureRevision: {
    meaning: 'A read or watch asks for a revision that the store has not reached.',
    next: 'Ask again later, or list without a resourceVersion.',
  },
  StoreReadOnly: {
    meaning: 'A commit to the data directory failed, so the store refuses writes; reads go on.',
    next: 'Look at the disk (full, I/O errors), then restart the server: it verifies every row when it opens.',
  },
  StoreClosed: {
    meaning: 'The store was closed while a request was on its way.',
    next: 'Send the request again once the server is back.',
  },
  StoreDamaged: {
    meaning: 'A file of the data directory is truncated or has changed bytes; the server refuses to start on it.',
    next: 'Move the data directory away and restore the latest backup into an empty one.',
    terminal: true,
  },
  StoreFormatUnknown: {
    meaning: 'The data directory was written by a version of the server whose format this one does not read.',
    next: 'Start the version that wrote it, or restore a backup that this version can read.',
    terminal: true,
  },
  StoreInUse: {
    meaning: 'Another process has the data directory open; one directory has one owner.',
    next: 'Stop the process that is named, or give this one a directory of its own.',
    terminal: true,
  },
  StoreUnavailable: {
    meaning: 'The data directory cannot be created, opened or read.',
    next: 'Look at the path, its owner and its modes; the server needs to own the directory.',
  },
  StoreNotEmpty: {
    meaning: 'A backup is to be restored into a data directory that holds a store already.',
    next: 'Move the directory away, or name an empty one.',
    terminal: true,
  },
  BackupInvalid: {
    meaning: 'A backup is incomplete, has changed bytes, or is not a backup of this format.',
    next: 'Take another backup; nothing was written to the data directory.',
    terminal: true,
  },
});
