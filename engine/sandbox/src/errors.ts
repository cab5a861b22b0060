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
});
