/** The hub's way to hosts to a real sshd: with the keys of a Secret, and with nothing that lies about on the hub. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labKeyFile, prepareHosts, startHosts, whyNotHosts, type Hosts } from '../../../lab/src/hosts.ts';
import { openRunHosts, privateSsh, type RunHosts } from './run-hosts.ts';

const why = whyNotHosts();
const ctx = background();

describe.skipIf(why !== undefined)(`hosts of a run in the hub${why === undefined ? '' : ` (${why})`}`, () => {
  let hosts: Hosts;
  let knownHosts: Buffer;
  const place = mkdtempSync(join(tmpdir(), 'px-rh-'));
  const script = { script: 'id -un', timeoutMs: 20_000 };
  const open = (access: { readonly privateKey: Uint8Array; readonly knownHosts: Uint8Array }): RunHosts =>
    openRunHosts(ctx, {
      read: () => Promise.resolve(access),
      place,
      openWith: privateSsh({
        searchPath: process.env['PATH'] ?? '',
        random: systemRandom,
        leading: ['ip', 'netns', 'exec', hosts.namespace('ws')],
      }),
    });
  const at = (host: string) => ({ address: host, user: 'root', keyFile: labKeyFile, knownHostsFile: '/etc/passwd' });

  beforeAll(async () => {
    await prepareHosts();
    hosts = await startHosts(1);
    const scan = ['netns', 'exec', hosts.namespace('ws'), 'ssh-keyscan', '-t', 'ed25519', hosts.address('h1')];
    knownHosts = execFileSync('ip', scan, { stdio: ['ignore', 'pipe', 'ignore'] });
  }, 300_000);
  afterAll(async () => {
    await hosts?.stop();
    rmSync(place, { recursive: true, force: true });
  }, 120_000);

  it('works with the key of the Secret, refuses another host key, and leaves nothing', async () => {
    const privateKey = readFileSync(labKeyFile);
    const address = hosts.address('h1');
    const way = open({ privateKey, knownHosts });
    expect((await way.open(at(address)).run(ctx, script)).stdout.toString()).toBe('root\n');
    expect(readdirSync(place)).toHaveLength(1);
    await way.close();
    expect(readdirSync(place)).toEqual([]);

    const other = join(place, 'other');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    const [type = '', key = ''] = readFileSync(`${other}.pub`, 'utf8').split(' ');
    const changed = open({ privateKey, knownHosts: Buffer.from(`${address} ${type} ${key}\n`) });
    await expect(changed.open(at(address)).run(ctx, script)).rejects.toMatchObject({ code: 'HostKeyChanged' });
    await changed.close();
    // The parameters name a key that the host knows: it is not looked at.
    const stranger = open({ privateKey: readFileSync(other), knownHosts });
    await expect(stranger.open(at(address)).run(ctx, script)).rejects.toMatchObject({ code: 'HostAuthRefused' });
    await stranger.close();
    const unreachable = open({ privateKey, knownHosts });
    await hosts.power('cut', 'h1');
    await expect(unreachable.open(at(address)).run(ctx, script)).rejects.toMatchObject({
      code: 'HostUnreachable',
      message: expect.stringContaining('from the hub, which reaches hosts from where it runs') as string,
    });
    await unreachable.close();
  }, 120_000);
});
