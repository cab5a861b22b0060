/** Backup and restore by the commands, with the demo's clusters and agents. */
import { existsSync } from 'node:fs';
import { cp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { contextOf, loadKubeconfig, type KubeContext } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { configMaps, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { restoreEmbedded } from './embedded-backup.ts';
import {
  clientOf,
  demoServes,
  memberThroughGateway,
  processesOf,
  startDemo,
  startPolyanthus,
  temporaryFolder,
  type TestProcess,
} from './testing.ts';

const ctx = background();
const started: TestProcess[] = [];
let folder: string;
const at = (name: string): string => join(folder, name);

function run(...args: readonly string[]): TestProcess {
  const running = startPolyanthus(args);
  started.push(running);
  return running;
}

async function good(...args: readonly string[]): Promise<string> {
  const running = run(...args);
  expect(await running.ended, running.output()).toBe(0);
  return running.output();
}

async function bad(...args: readonly string[]): Promise<string> {
  const running = run(...args);
  expect(await running.ended, running.output()).toBe(1);
  return running.output();
}

async function demo(name: string): Promise<TestProcess> {
  const running = startDemo(at(name));
  started.push(running);
  await running.until(demoServes);
  return running;
}

const hubOf = (name: string): Promise<KubeClient> => clientOf(join(at(name), 'admin.kubeconfig'), 'hub');
const memberOf = async (hub: KubeClient, name: string): Promise<Membership> =>
  hub.get(ctx, memberships, { namespace: 'default', name });

const reviews = resourceType('authentication.k8s.io', 'v1', 'selfsubjectreviews', 'SelfSubjectReview', false);
const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: {} };

const hubContext = async (name: string): Promise<KubeContext> =>
  contextOf(await loadKubeconfig({ files: [join(at(name), 'admin.kubeconfig')], explicit: true }), 'hub');

/** Whom the hub sees behind a token, asked where its kubeconfig leads now. */
async function whoHas(name: string, token: string): Promise<unknown> {
  const { cluster } = await hubContext(name);
  const ca = Buffer.from(cluster.fields['certificate-authority-data'] ?? '', 'base64').toString('utf8');
  const headers = { authorization: `Bearer ${token}` };
  const client = createClient(
    createTransport({ baseUrl: cluster.fields.server ?? '', tls: { ca }, headers: () => Promise.resolve(headers) }),
  );
  return client.create(ctx, reviews, review);
}

beforeEach(async () => void (folder = await temporaryFolder()));
afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill('SIGKILL');
    await one.ended;
  }
  await vi.waitFor(async () => expect(await processesOf(folder)).toEqual([]), { timeout: 20_000 });
  await rm(folder, { recursive: true, force: true });
});

describe('polyanthus hub backup and restore', () => {
  it('carries a running hub into a fresh directory: agents, tokens and objects go on', async () => {
    const first = await demo('one');
    const hub = await hubOf('one');
    const before = await memberOf(hub, 'osaka');
    await hub.create(ctx, serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'robot', namespace: 'default' },
    });
    const { status } = await hub.createAt<{ readonly status: { readonly token: string } }>(
      ctx,
      serviceAccounts,
      { namespace: 'default', name: 'robot' },
      'token',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: { audiences: [] } },
    );
    expect(await good('hub', 'backup', `--data-dir=${at('one')}`, `--output=${at('hub.backup')}`)).toContain('bytes');
    expect((await stat(at('hub.backup'))).mode & 0o777).toBe(0o600);
    // What is written after the backup is not in it.
    await (
      await memberThroughGateway(at('one'), 'osaka')
    ).create(ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'late', namespace: 'default' },
    });
    first.kill('SIGINT');
    await first.ended;

    expect(await good('hub', 'restore', `--input=${at('hub.backup')}`, `--data-dir=${at('two')}`)).toContain(
      `polyanthus up --data-dir=${at('two')}`,
    );
    // Agents live elsewhere: their keys are not in the backup, and they come with what they have.
    await cp(join(at('one'), 'agents'), join(at('two'), 'agents'), { recursive: true });
    await demo('two');
    const restored = await hubOf('two');
    const after = await memberOf(restored, 'osaka');
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status?.agentKey).toBe(before.status?.agentKey);
    const state = async (name: string): Promise<string> =>
      readFile(join(at(name), 'agents/osaka/identity.json'), 'utf8');
    expect(await state('two')).toBe(await state('one'));
    expect(Number(after.metadata.resourceVersion)).toBeGreaterThan(Number(before.metadata.resourceVersion));
    expect(await whoHas('two', status.token)).toMatchObject({
      status: { userInfo: { username: 'system:serviceaccount:default:robot' } },
    });
    const member = await memberThroughGateway(at('two'), 'osaka');
    const names = (await member.list(ctx, configMaps, { namespace: 'default' })).items.map((one) => one.metadata.name);
    expect(names).not.toContain('late');
    const oldToken = (await hubContext('one')).user.fields.token ?? '';
    expect(await whoHas('two', oldToken)).toMatchObject({ status: { userInfo: { username: 'polyanthus:admin' } } });
  }, 180_000);

  it('refuses what is damaged, foreign or in the way, and leaves nothing behind', async () => {
    const up = run('up', `--data-dir=${at('one')}`, '--listen=127.0.0.1:0');
    await up.until('Next: ');
    await good('hub', 'backup', `--data-dir=${at('one')}`, `--output=${at('good')}`);
    up.kill('SIGINT');
    await up.ended;
    const whole = await readFile(at('good'), 'utf8');
    const lines = whole.split('\n');
    const cases: Readonly<Record<string, string>> = {
      empty: '',
      cut: whole.slice(0, whole.length - 100),
      'without its last line': `${lines.slice(0, -2).join('\n')}\n`,
      'with a changed byte': whole.replace('"key":"hub', '"key":"hug'),
      'of another program': 'hello\n',
      'of a later version': whole.replace('"format":1', '"format":2'),
    };
    for (const [name, text] of Object.entries(cases)) {
      await writeFile(at('bad'), text);
      const restoring = restoreEmbedded(ctx, at('bad'), at('new'));
      await expect(restoring, name).rejects.toMatchObject({ code: 'BackupInvalid' });
      await expect(restoring, name).rejects.toThrow(at('bad'));
    }
    await expect(restoreEmbedded(ctx, at('none'), at('new'))).rejects.toThrow('ENOENT');
    const told = await bad('hub', 'restore', `--input=${at('bad')}`, `--data-dir=${at('new')}`);
    expect(told).toMatch(/nothing was written to the data directory.*\(BackupInvalid\)/);
    expect(await bad('hub', 'restore', `--input=${at('good')}`, `--data-dir=${at('one')}`)).toContain(
      '(StoreNotEmpty)',
    );
    expect(await bad('hub', 'backup', `--data-dir=${at('none')}`, `--output=${at('x')}`)).toContain(
      '(StoreUnavailable)',
    );
    expect((await readdir(folder)).sort((a, b) => a.localeCompare(b))).toEqual(['bad', 'good', 'one']);
  }, 120_000);

  it('does not start on a store of a later version or with changed bytes', async () => {
    const first = run('up', `--data-dir=${at('one')}`, '--listen=127.0.0.1:0');
    await first.until('Next: ');
    first.kill('SIGINT');
    await first.ended;
    const file = join(at('one'), 'store/store.db');
    const whole = await readFile(file);
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const later = await bad('up', `--data-dir=${at('one')}`, '--listen=127.0.0.1:0');
    expect(later).toContain('has format 99');
    expect(later).toContain('(StoreFormatUnknown)');
    expect(await bad('hub', 'backup', `--data-dir=${at('one')}`, `--output=${at('x')}`)).toContain(
      '(StoreFormatUnknown)',
    );
    await writeFile(file, whole.subarray(0, whole.length - 8192));
    const cut = await bad('up', `--data-dir=${at('one')}`, '--listen=127.0.0.1:0');
    expect(cut).toContain('(StoreDamaged)');
    expect(cut).toContain(file);
    expect(existsSync(join(at('one'), 'api.sock'))).toBe(false);
  }, 120_000);
});
