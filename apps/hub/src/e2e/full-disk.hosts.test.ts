/** A hub whose disk is full: it does not start half, it serves what it has, and it goes on once there is room again. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { whyNotHosts } from '../../../../lab/src/hosts.ts';
import { freePorts } from '../../../../lab/src/control-plane.ts';
import { bundle, figure, run, start, type Said } from './processes.ts';
import { until } from './fixture.ts';

const why = whyNotHosts();
const call = promisify(execFile);

describe.skipIf(why !== undefined)(`a hub on a full disk${why === undefined ? '' : ` (${why})`}`, () => {
  let folder: string;
  let disk: string;
  let main: string;
  let port: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polyanthus-full-'));
    disk = join(folder, 'disk');
    main = await bundle(folder);
    [port = 0] = await freePorts(1);
    await call('mkdir', [disk]);
    await call('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
  });
  afterEach(() => rm(join(disk, 'ballast'), { force: true }));
  afterAll(async () => {
    await call('umount', ['-l', disk]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  const upArgs = (dataDir: string): readonly string[] => [
    main,
    'up',
    `--data-dir=${dataDir}`,
    `--listen=127.0.0.1:${port}`,
  ];
  const list = (dataDir: string, ...args: string[]): Promise<Said> =>
    run(process.execPath, [main, 'fleet', ...args, `--hub-kubeconfig=${join(dataDir, 'admin.kubeconfig')}`]);
  const fill = async (): Promise<void> => {
    await call('sh', ['-c', `dd if=/dev/zero of=${disk}/ballast bs=4k 2>/dev/null || true`]);
  };

  it('refuses to start, with a next step', async () => {
    await fill();
    const said = await run(process.execPath, upArgs(join(disk, 'fresh')), { timeoutMs: 30_000 });
    figure(
      `first start on a full disk: exit ${said.code}: ${said.err.replaceAll(folder, '…').trim().split('\n').slice(-2).join(' | ')}`,
    );
    expect(said).toMatchObject({
      code: 1,
      err: expect.stringMatching(/error: [^]+\nnext: .+ \([A-Z]\w+\)/) as unknown,
    });
  });

  it('says why it takes no more writes, loses none that it took, and takes them again after a start with room', async () => {
    const dataDir = join(disk, 'hub');
    const hub = start(process.execPath, upArgs(dataDir));
    await hub.saying(/The hub serves at/);
    expect((await list(dataDir, 'scopes', 'create', 'before')).code).toBe(0);
    await fill();
    const made: string[] = ['before'];
    const refused = await until(60_000, async () => {
      const name = `scope-${made.length}`;
      const said = await list(dataDir, 'scopes', 'create', name, `--display-name=${'x'.repeat(60_000)}`);
      if (said.code === 0) made.push(name);
      return said.code !== 0 && said;
    });
    figure(`a write on a full disk after ${made.length} more: ${refused.err.trim().split('\n').slice(-2).join(' | ')}`);
    expect(refused.err).toMatch(/disk|space|read-only|full/i);
    const still = hub.child.exitCode === null ? await list(dataDir, 'scopes', 'list', '-o', 'json') : undefined;
    if (still !== undefined) expect(still.code).toBe(0);
    await hub.stop();
    await rm(join(disk, 'ballast'));
    const again = start(process.execPath, upArgs(dataDir));
    await again.saying(/The hub serves at/);
    const { items } = JSON.parse((await list(dataDir, 'scopes', 'list', '-o', 'json')).out) as {
      readonly items: readonly { readonly metadata: { readonly name: string } }[];
    };
    expect(items.map((one) => one.metadata.name).toSorted()).toEqual(made.toSorted());
    expect((await list(dataDir, 'scopes', 'create', 'after')).code).toBe(0);
    await again.stop();
  });
});
