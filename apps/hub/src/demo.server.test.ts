/** The demo as a user has it, hermetic: a process from sources, on free ports, without kubectl. */
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { configMaps, nodes } from '@polyanthus/kube-kinds/core';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { demoClusters } from './demo.ts';
import {
  clientOf,
  demoServes,
  listens,
  memberThroughGateway,
  portsOf,
  processesOf,
  startDemo,
  startPolyanthus,
  temporaryFolder,
  type TestProcess,
} from './testing.ts';

const ctx = background();
const started: TestProcess[] = [];
let folder: string;

/** The data directory of a test: its name is in the command line of each process that the demo starts. */
const data = (): string => join(folder, 'demo');

function demo(...more: readonly string[]): TestProcess {
  const running = startDemo(data(), ...more);
  started.push(running);
  return running;
}

async function hubUid(name: string): Promise<string | undefined> {
  const hub = await clientOf(join(data(), 'admin.kubeconfig'), 'hub');
  return (await hub.get(ctx, memberships, { namespace: 'default', name })).metadata.uid;
}

async function expectNothingLeft(ports: readonly number[]): Promise<void> {
  expect(await processesOf(data())).toEqual([]);
  expect(existsSync(join(data(), 'api.sock'))).toBe(false);
  for (const port of ports) expect(await listens(port), `port ${port}`).toBe(false);
}

beforeEach(async () => void (folder = await temporaryFolder()));
afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill('SIGKILL');
    await one.ended;
  }
  await vi.waitFor(async () => expect(await processesOf(data())).toEqual([]), { timeout: 20_000 });
  await rm(folder, { recursive: true, force: true });
});

describe('polyanthus demo', () => {
  it('shows the nodes of each cluster, keeps its keys from others, and with --once leaves nothing running', async () => {
    const running = demo('--once');
    expect(await running.ended, running.output()).toBe(0);
    for (const { name, nodes: wanted } of demoClusters)
      for (const node of wanted) expect(running.output()).toMatch(new RegExp(`^${name} +${node.name} +Ready$`, 'm'));
    expect(running.output()).toContain(`export KUBECONFIG=${join(data(), 'admin.kubeconfig')}`);
    await expectNothingLeft(await portsOf(data()));
    const modeOf = async (name: string): Promise<number> => (await stat(join(data(), name))).mode & 0o777;
    for (const name of ['identity.json', 'admin.kubeconfig', 'agents/paris/identity.json'])
      expect(await modeOf(name), name).toBe(0o600);
    expect(await modeOf('.')).toBe(0o700);
  });

  it('finds its data again after Ctrl-C and after kill -9, and its agents end with it', async () => {
    const first = demo();
    await first.until(demoServes);
    const member = await memberThroughGateway(data(), 'osaka');
    await member.create(ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'mine', namespace: 'default' },
      data: { kept: 'yes' },
    });
    const uid = await hubUid('osaka');
    const ports = await portsOf(data());
    for (const port of ports) expect(await listens(port)).toBe(true);
    first.kill('SIGINT');
    expect(await first.ended, first.output()).toBe(0);
    await expectNothingLeft(ports);

    const second = demo();
    await second.until(demoServes);
    const again = await memberThroughGateway(data(), 'osaka');
    expect((await again.get(ctx, configMaps, { namespace: 'default', name: 'mine' })).data).toEqual({ kept: 'yes' });
    expect(await hubUid('osaka')).toBe(uid);
    second.kill('SIGKILL');
    expect(await second.ended).toBe('SIGKILL');
    await vi.waitFor(async () => expect(await processesOf(data())).toEqual([]), { timeout: 20_000 });

    const third = demo();
    await third.until(demoServes);
    const after = await memberThroughGateway(data(), 'osaka');
    expect((await after.list(ctx, nodes)).items.map((one) => one.metadata.name)).toEqual(['osaka-1', 'osaka-2']);
    expect(await hubUid('osaka')).toBe(uid);
    // Twice: the second one does not wait.
    third.kill('SIGINT');
    third.kill('SIGINT');
    expect([0, 130]).toContain(await third.ended);
    await vi.waitFor(async () => expect(await processesOf(data())).toEqual([]), { timeout: 20_000 });
  }, 180_000);
});

describe('a hub that cannot start', () => {
  const up = (...more: readonly string[]): TestProcess => {
    const running = startPolyanthus(['up', `--data-dir=${data()}`, '--listen=127.0.0.1:0', ...more]);
    started.push(running);
    return running;
  };

  it('says so when another has the data directory or the port, and leaves that one alone', async () => {
    const first = up();
    await first.until('Next: ');
    const second = up();
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain('(StoreInUse)');
    expect(second.output()).toContain(String(first.pid));
    const [port = 0] = /https:\/\/127\.0\.0\.1:(\d+)/.exec(first.output())?.slice(1).map(Number) ?? [];
    const third = startPolyanthus(['up', `--data-dir=${join(folder, 'other')}`, `--listen=127.0.0.1:${port}`]);
    expect(await third.ended).toBe(1);
    expect(third.output()).toMatch(/ListenFailed/);
    expect(third.output()).toContain(`127.0.0.1:${port}`);
    const hub = await clientOf(join(data(), 'admin.kubeconfig'), 'hub');
    expect((await hub.list(ctx, memberships, { namespace: 'default' })).items).toEqual([]);
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    await expectNothingLeft([port]);
  });

  it('asks for a shorter data directory where no socket would fit', async () => {
    const long = join(folder, 'x'.repeat(100));
    const running = startPolyanthus(['up', `--data-dir=${long}`, '--listen=127.0.0.1:0']);
    expect(await running.ended).toBe(1);
    expect(running.output()).toMatch(/next: Choose a --data-dir that is \d+ bytes shorter.*\(AddressUnsafe\)/);
    expect(existsSync(long)).toBe(false);
  });

  it('says so when its keys are gone or damaged, and makes no new ones', async () => {
    const first = up();
    await first.until('Next: ');
    first.kill('SIGINT');
    await first.ended;
    const file = join(data(), 'identity.json');
    const keys = await readFile(file, 'utf8');
    await writeFile(file, keys.slice(0, 100));
    const damaged = up();
    expect(await damaged.ended).toBe(1);
    expect(damaged.output()).toContain('(IdentityUnreadable)');
    await rm(file);
    const missing = up();
    expect(await missing.ended).toBe(1);
    expect(missing.output()).toContain('(IdentityUnreadable)');
    expect(existsSync(file)).toBe(false);
  });
});
