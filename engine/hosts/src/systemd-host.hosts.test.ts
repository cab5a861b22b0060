/** The suite on a real host of the lab, with its systemd, over the system's ssh. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { HostConnection } from '@polyanthus/ground-ssh/connection';
import { createOpenSsh } from '@polyanthus/ground-ssh/openssh';
import { afterAll, beforeAll, describe } from 'vitest';
import { labKeyFile, prepareHosts, startHosts, whyNotHosts, type Hosts } from '../../../lab/src/hosts.ts';
import { describeFullDisk, describeSystemd, realTime, type SuiteHost } from './suite.ts';

const why = whyNotHosts();
const small = '/run/small';

describe.skipIf(why !== undefined)(`real systemd${why === undefined ? '' : ` (${why})`}`, () => {
  let hosts: Hosts;
  let connection: HostConnection;
  const folder = mkdtempSync(join(tmpdir(), 'px-h-'));
  const must = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await hosts.ssh('h1', script);
    if (code !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  };

  beforeAll(async () => {
    await prepareHosts();
    hosts = await startHosts(1);
    const knownHostsFile = join(folder, 'known_hosts');
    const inside = ['netns', 'exec', hosts.namespace('ws')];
    const scanned = execFileSync('ip', [...inside, 'ssh-keyscan', '-t', 'ed25519', hosts.address('h1')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    writeFileSync(knownHostsFile, scanned);
    connection = createOpenSsh({
      host: hosts.address('h1'),
      user: 'root',
      keyFile: labKeyFile,
      knownHostsFile,
      controlDir: folder,
      become: false,
      random: systemRandom,
      env: { PATH: process.env['PATH'], HOME: folder },
      program: ['ip', ...inside, 'ssh'],
    });
    await must(`mkdir -p ${small} && mount -t tmpfs -o size=8m tmpfs ${small}`);
  }, 300_000);
  afterAll(async () => {
    await connection?.close(realTime.ctx);
    await hosts?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  const open = (): SuiteHost => ({
    ...realTime,
    connection,
    ran: async () => (await must('cat /root/marks 2>/dev/null || true')).trim().split('\n'),
    release: async (mark) => void (await must(`touch /root/marks.${mark}`)),
    power: {
      cut: () => hosts.power('cut', 'h1'),
      up: async () => {
        await hosts.power('up', 'h1');
        for (let left = 600; left > 0; left--) {
          if ((await hosts.ssh('h1', 'true', 10_000)).code === 0) return;
          await sleep(realTime.ctx, 200);
        }
        throw new Error('h1 does not come up again');
      },
    },
  });
  describeFullDisk('a real host', () => ({
    ...open(),
    stateDir: `${small}/state`,
    fill: async (full) => {
      await must(full ? `dd if=/dev/zero of=${small}/fill bs=64k status=none || true` : `rm ${small}/fill`);
    },
  }));
  describeSystemd('a real host', open);
});
