import { defineErrors } from '@polyanthus/ground-base/errors';

export const imageErrors = defineErrors({
  PackageUnavailable: {
    meaning: 'A Debian package of the lock cannot be fetched on this machine, at the version that is locked.',
    next: 'Refresh the lock with `node apps/image/build.ts --refresh-lock` on a machine with apt, and look at what changed.',
  },
  PackageChanged: {
    meaning: 'A Debian package that was fetched is not the one of the lock.',
    next: 'Do not use it. Refresh the lock only when you know why the package changed.',
  },
});
