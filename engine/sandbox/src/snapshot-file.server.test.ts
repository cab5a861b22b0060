import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { readSnapshot, writeSnapshot } from './snapshot-file.ts';
import type { Snapshot } from './snapshot.ts';

const ctx = background();
let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'snapshot-'))));
afterAll(() => rm(folder, { recursive: true }));

const sample: Snapshot = {
  formatVersion: 1,
  takenAt: '2026-05-01T00:00:00Z',
  server: { gitVersion: 'v1.36.3' },
  source: 'kind of blue',
  unread: [{ group: 'metrics.k8s.io', version: 'v1beta1', plural: '*', reason: 'away' }],
  resources: [
    { group: '', version: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true, objects: [] },
    {
      group: '',
      version: 'v1',
      kind: 'ConfigMap',
      plural: 'configmaps',
      namespaced: true,
      objects: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a\n"ü' } }],
    },
  ],
};

describe('a snapshot file', () => {
  it('gives back what was written, and only its owner may read it', async () => {
    const path = join(folder, 'whole');
    await writeSnapshot(ctx, path, sample);
    expect(await readSnapshot(ctx, path)).toEqual(sample);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('keeps integers that a double cannot hold', async () => {
    const path = join(folder, 'integers');
    const object = { ...sample.resources[1]?.objects[0], spec: { limit: 9_007_199_254_740_993n } } as never;
    const [, kind] = sample.resources;
    if (kind === undefined) throw new Error('no kind');
    const large: Snapshot = { ...sample, resources: [{ ...kind, objects: [object] }] };
    await writeSnapshot(ctx, path, large);
    expect(await readSnapshot(ctx, path)).toEqual(large);
  });

  it('never takes a damaged or cut file for a whole one', async () => {
    const path = join(folder, 'damaged');
    await writeSnapshot(ctx, path, sample);
    const good = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ change;
        await writeFile(path, bad);
        // Some bits of gzip mean nothing: when and where it was packed, what fills the last byte.
        const read = await readSnapshot(ctx, path).catch((error: unknown) => (error as { code: unknown }).code);
        expect([JSON.stringify(sample), '"SnapshotUnreadable"']).toContain(JSON.stringify(read));
        await writeFile(path, good.subarray(0, at));
        await expect(readSnapshot(ctx, path)).rejects.toMatchObject({ code: 'SnapshotUnreadable' });
      }),
      { numRuns: 60, interruptAfterTimeLimit: 2_000 },
    );
  });

  it('names the line that is missing or of another format', async () => {
    const path = join(folder, 'lines');
    await writeSnapshot(ctx, path, sample);
    const lines = gunzipSync(await readFile(path))
      .toString()
      .split('\n');
    const rewrite = (changed: readonly string[]): Promise<void> => writeFile(path, gzipSync(changed.join('\n')));
    await rewrite(lines.filter((_, index) => index !== 3));
    await expect(readSnapshot(ctx, path)).rejects.toThrow(/line 4 should be an object/);
    await rewrite(lines.filter((_, index) => index !== 1));
    await expect(readSnapshot(ctx, path)).rejects.toThrow(/it has 3 lines, and 4 were written/);
    await rewrite([lines[0]?.replace('"formatVersion":1', '"formatVersion":2') ?? '', ...lines.slice(1)]);
    await expect(readSnapshot(ctx, path)).rejects.toThrow(/its format is 2/);
  });

  it('is bounded when read', async () => {
    const path = join(folder, 'bounded');
    await writeSnapshot(ctx, path, sample);
    await expect(readSnapshot(ctx, path, { bytesMax: 100 })).rejects.toMatchObject({ code: 'SnapshotTooLarge' });
    await expect(readSnapshot(ctx, join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
