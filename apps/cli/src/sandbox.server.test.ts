/** Sandboxes by the commands, with the process in the background that they start. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { configMaps, secrets } from '@polyanthus/kube-kinds/core';
import { polyanthus, type Transcript } from './testing.ts';

const ctx = background();
let folder: string;
const sandboxes = (): string => join(folder, 'sandboxes');
const sandbox = (...args: readonly string[]): Promise<Transcript> =>
  polyanthus(['sandbox', ...args], { HOME: folder, POLYANTHUS_SANDBOX_DIR: sandboxes() });

async function clientOf(name: string): Promise<KubeClient> {
  const files = { files: [join(sandboxes(), `${name}.kubeconfig`)], explicit: true };
  return createClient(await transportFor(ctx, contextOf(await loadKubeconfig(files)), { env: {} }));
}

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'sandbox-'))));
afterAll(async () => {
  await sandbox('delete', '--all');
  // The process leaves nothing behind that says how to reach it.
  await vi.waitFor(async () => expect(await readdir(sandboxes())).not.toContain('server.json'), 120_000);
  await rm(folder, { recursive: true });
}, 180_000);

it('go from being made to being copied to being thrown away', async () => {
  expect((await sandbox('list')).stderr).toContain('There are no sandboxes');
  const created = await sandbox('create', 'play');
  expect([created.code, created.stdout]).toEqual([0, 'sandbox/play created\n']);
  expect(created.stderr).toMatch(/in the memory of process \d+, and gone when that ends/);
  expect((await stat(join(sandboxes(), 'play.kubeconfig'))).mode & 0o777).toBe(0o600);
  expect(await sandbox('create', 'play')).toMatchObject({ code: 1, stderr: expect.stringContaining('SandboxExists') });
  const play = await clientOf('play');
  const metadata = { namespace: 'default', name: 'mine' };
  await play.create(ctx, configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { colour: 'blue' } });
  await play.create(ctx, secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: { key: 'c3dvcmRmaXNo' } });

  const file = join(folder, 'play.gz');
  expect((await sandbox('snapshot', 'play', file, '--dry-run')).stdout).toContain('(dry run)');
  expect((await sandbox('snapshot', 'play', file)).stdout).toMatch(/^\d+ objects of \d+ kinds written to /);
  const real = await sandbox('snapshot', `${file}.real`, `--kubeconfig=${join(sandboxes(), 'play.kubeconfig')}`);
  expect(real).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('of sandbox-play written to') });
  expect((await readFile(file)).includes('c3dvcmRmaXNo')).toBe(false);

  const loaded = await sandbox('load', 'copy', `${file}.real`);
  expect([loaded.code, loaded.stdout]).toEqual([
    0,
    expect.stringMatching(/loaded into sandbox\/copy, 0 refused, 0 of kinds /),
  ]);
  const copy = await clientOf('copy');
  expect((await copy.get(ctx, configMaps, metadata)).data).toEqual({ colour: 'blue' });
  expect((await copy.get(ctx, secrets, metadata)).data).toEqual({ key: '' });
  await copy.create(ctx, configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, name: 'later' } });
  await sandbox('load', 'copy', file, '--replace');
  await expect(copy.get(ctx, configMaps, { ...metadata, name: 'later' })).rejects.toMatchObject({ code: 'NotFound' });

  expect((await sandbox('list', '-o', 'name')).stdout).toBe('sandbox/copy\nsandbox/play\n');
  expect(JSON.parse((await sandbox('list', '-o', 'json')).stdout)).toMatchObject({
    items: [{ kind: 'Sandbox', metadata: { name: 'copy' } }, { metadata: { name: 'play' } }],
  });
  expect((await sandbox('delete', 'play', '--dry-run')).stdout).toBe('sandbox "play" deleted (dry run)\n');
  expect((await sandbox('delete', 'play')).code).toBe(0);
  expect(await readdir(sandboxes())).not.toContain('play.kubeconfig');
  expect(await sandbox('delete', 'play')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('SandboxNotFound'),
  });
  for (const args of [
    ['load', 'copy', join(folder, 'none')],
    ['snapshot', 'copy', join(folder, 'no', 'folder')],
  ])
    expect(await sandbox(...args)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ENOENT.*\nnext: Check that the file and its folder are there/),
    });
  expect((await sandbox('create')).code).toBe(2);
}, 120_000);
