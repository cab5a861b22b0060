/** Hosts by this machine's ssh: the sockets of its shared connections go with the process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@polyanthus/ground-base/random';
import { hostsBySsh } from '@polyanthus/domains-lifecycle/host-access';

let folder: string | undefined;

function controlDir(): string {
  if (folder !== undefined) return folder;
  const made = mkdtempSync(join(tmpdir(), 'px-ssh-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  folder = made;
  return made;
}

/** For the runbooks of this program. */
export const systemHosts = hostsBySsh({ controlDir, env: process.env, random: systemRandom });
