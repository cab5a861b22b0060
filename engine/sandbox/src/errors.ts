/** Coded errors of sandboxes and snapshots. */
import { defineErrors } from '@polyanthus/ground-base/errors';

export const sandboxErrors = defineErrors({
  SnapshotTooLarge: {
    meaning: 'A cluster has more objects or more bytes than a snapshot may hold.',
    next: 'Raise the bound that the message names, or delete what nobody needs: old Events and ReplicaSets are often the most.',
  },
  SnapshotUnreadable: {
    meaning: 'A file is no snapshot, is damaged, or has a format that this version does not know.',
    next: 'Take the snapshot again, or use the version of polyanthus that wrote it.',
    terminal: true,
  },
  SandboxNotFound: {
    meaning: 'There is no sandbox of this name; sandboxes are gone when the process that holds them ends.',
    next: 'See what there is with `polyanthus sandbox list`, or make it with `polyanthus sandbox create`.',
  },
  SandboxExists: {
    meaning: 'There is a sandbox of this name already.',
    next: 'Choose another name, or delete it first with `polyanthus sandbox delete`.',
  },
  SandboxRefused: {
    meaning:
      'The process that holds the sandboxes does not do what was asked: a name that is none, or too many sandboxes.',
    next: 'Delete sandboxes that nobody needs: `polyanthus sandbox list`, `polyanthus sandbox delete NAME`.',
  },
  SandboxFileFailed: {
    meaning: 'The process that holds the sandboxes could not read or write a file, or failed in another way.',
    next: 'Check that the file and its folder are there and may be written; otherwise look into `server.log` beside the kubeconfigs of the sandboxes.',
  },
  SandboxServerFailed: {
    meaning: 'The process that holds the sandboxes could not be started, or ended while it was asked.',
    next: 'Look into its log, which the message names, and try again.',
  },
});
