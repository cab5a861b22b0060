import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { whyNotProgram } from '../../../../lab/src/parts.ts';
import { stracePath, traceProgram } from '../../soak/strace.ts';

const why = whyNotProgram(stracePath);

test.skipIf(why !== undefined)(
  `no write is acknowledged before the log that holds it is synced${why === undefined ? '' : ` (${why})`}`,
  async () => {
    const scratch = await realpath(await mkdtemp(join(tmpdir(), 'acknowledge-')));
    try {
      const directory = join(scratch, 'data');
      const operations = await traceProgram(
        [process.execPath, fileURLToPath(new URL('../../soak/acknowledge-workload.ts', import.meta.url)), directory],
        directory,
      );
      let written = 0;
      let unsynced = 0;
      let acknowledged = 0;
      for (const operation of operations) {
        if (operation.kind === 'write' && operation.file === 'store.db-wal') {
          written++;
          unsynced++;
        } else if (operation.kind === 'sync' && operation.file === 'store.db-wal') unsynced = 0;
        else if (operation.kind === 'ack') {
          expect([operation.revision, written > 0, unsynced]).toEqual([++acknowledged, true, 0]);
          written = 0;
        }
      }
      expect(acknowledged).toBe(60);
    } finally {
      await rm(scratch, { recursive: true });
    }
  },
);
