import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { whyNotRoot } from '../../../../lab/src/hosts.ts';
import { openSqliteStore } from './sqlite.ts';

const ctx = background();
const why = whyNotRoot();

test.skipIf(why !== undefined)(
  `a full disk fails the write, leaves the store readable, and loses nothing that was acknowledged${why === undefined ? '' : ` (${why})`}`,
  async () => {
    const mount = await mkdtemp(join(tmpdir(), 'full-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
    try {
      const directory = join(mount, 'data');
      const store = await openSqliteStore(ctx, { directory, clock: ctx.clock });
      let acknowledged = 0;
      const fill = async (): Promise<void> => {
        for (let index = 1; index <= 10_000; index++) {
          const encode = (): Uint8Array => Buffer.alloc(4000, index);
          await store.write(ctx, { kind: 'put', key: `c/g/r/n/${index}`, expected: 0, index: {}, encode });
          acknowledged = index;
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: 'StoreReadOnly', message: expect.stringContaining('full') });
      expect(acknowledged).toBeGreaterThan(50);
      expect([store.writable, store.revision, store.count('')]).toEqual([false, acknowledged, acknowledged]);
      await expect(fill()).rejects.toMatchObject({ code: 'StoreReadOnly' });
      await store.close();
      execFileSync('mount', ['-o', 'remount,size=32m', mount]);
      const again = await openSqliteStore(ctx, { directory, clock: ctx.clock });
      expect(again.count('')).toBe(acknowledged);
      expect(Buffer.from(again.get('c/g/r/n/7')?.bytes ?? []).equals(Buffer.alloc(4000, 7))).toBe(true);
      await again.close();
    } finally {
      execFileSync('umount', [mount]);
      await rm(mount, { recursive: true });
    }
  },
);
