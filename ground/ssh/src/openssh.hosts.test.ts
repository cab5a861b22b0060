import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labKeyFile, prepareHosts, startHosts, whyNotHosts, type Hosts } from '../../../lab/src/hosts.ts';
import type { HostConnection } from './connection.ts';
import { createOpenSsh } from './openssh.ts';
import { describeHost } from './testing.ts';

const why = whyNotHosts();
const ctx = background();

describe.skipIf(why !== undefined)(`the system ssh to a real sshd${why === undefined ? '' : ` (${why})`}`, () => {
  let hosts: Hosts;
  const folder = mkdtempSync(join(tmpdir(), 'px-ssh-'));
  const knownHostsFile = join(folder, 'known_hosts');
  const open = (
    more: {
      readonly keyFile?: string;
      readonly user?: string;
      readonly knownHosts?: string;
      readonly become?: boolean;
    } = {},
  ): HostConnection =>
    createOpenSsh({
      host: hosts.address('h1'),
      user: more.user ?? 'root',
      keyFile: more.keyFile ?? labKeyFile,
      knownHostsFile: more.knownHosts ?? knownHostsFile,
      controlDir: mkdtempSync(join(folder, 'c-')),
      become: more.become ?? false,
      random: systemRandom,
      env: { PATH: process.env['PATH'], HOME: folder },
      program: ['ip', 'netns', 'exec', hosts.namespace('ws'), 'ssh'],
    });

  beforeAll(async () => {
    await prepareHosts();
    hosts = await startHosts(1);
    const scanned = execFileSync(
      'ip',
      ['netns', 'exec', hosts.namespace('ws'), 'ssh-keyscan', '-t', 'ed25519', hosts.address('h1')],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    writeFileSync(knownHostsFile, scanned);
  }, 300_000);
  afterAll(async () => {
    await hosts?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  let shared: HostConnection | undefined;
  describeHost('the system ssh', () => ({ host: (shared ??= open()), folder: '/root' }));

  it('refuses another key than the pinned one, an unknown one, a wrong user', async () => {
    const script = { script: 'true', timeoutMs: 20_000 };
    const other = join(folder, 'other');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    const [type = '', key = ''] = execFileSync('cat', [`${other}.pub`], { encoding: 'utf8' }).split(' ');
    writeFileSync(join(folder, 'changed'), `${hosts.address('h1')} ${type} ${key}\n`);
    writeFileSync(join(folder, 'empty'), '');
    await expect(open({ knownHosts: join(folder, 'changed') }).run(ctx, script)).rejects.toMatchObject({
      code: 'HostKeyChanged',
    });
    await expect(open({ knownHosts: join(folder, 'empty') }).run(ctx, script)).rejects.toMatchObject({
      code: 'HostKeyUnknown',
    });
    await expect(open({ keyFile: other }).run(ctx, script)).rejects.toMatchObject({ code: 'HostAuthRefused' });
  });

  it('tells an unreachable host from a lost answer: a power cut in mid-command leaves the outcome open', async () => {
    const host = open();
    // Expected from the start: the answer is lost while the power is being cut.
    const lost = expect(
      host.run(ctx, { script: 'touch /root/began; sleep 60', timeoutMs: 60_000 }),
    ).rejects.toMatchObject({ code: 'HostConnectionLost' });
    const probe = open();
    for (let left = 100; left > 0; left--)
      if ((await probe.run(ctx, { script: 'test -e /root/began', timeoutMs: 10_000 })).code === 0) break;
    await hosts.power('cut', 'h1');
    await lost;
    await expect(open().run(ctx, { script: 'true', timeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'HostUnreachable',
    });
    await hosts.power('up', 'h1');
  }, 120_000);
});
