/** The way to hosts for a program: the system's ssh with the files that a run names. */
import type { Random } from '@polyanthus/ground-base/random';
import { createOpenSsh } from '@polyanthus/ground-ssh/openssh';
import { lifecycleErrors } from './errors.ts';
import type { OpenHost } from './host-command.ts';

/** What the program has. */
export interface HostAccess {
  /** Folder (mode 0700, short path) for the sockets of shared connections; asked for when the first host is opened. */
  readonly controlDir: () => string;
  /** The environment of ssh: PATH, HOME, SSH_AUTH_SOCK. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly random: Random;
  /** What to run instead of `ssh`, with leading arguments: a test's network namespace, for instance. */
  readonly program?: readonly string[];
}

/** Opens hosts by ssh; everyone but root works through sudo. */
export function hostsBySsh({ controlDir, env, random, program }: HostAccess): OpenHost {
  return ({ address, user, keyFile, knownHostsFile }) => {
    if (knownHostsFile === undefined)
      throw lifecycleErrors.error('HostAccessMissing', `host ${address}: parameter knownHosts is not set`);
    return createOpenSsh({
      host: address,
      user,
      ...(keyFile === undefined ? {} : { keyFile }),
      knownHostsFile,
      controlDir: controlDir(),
      become: user !== 'root',
      random,
      env,
      ...(program === undefined ? {} : { program }),
    });
  };
}
