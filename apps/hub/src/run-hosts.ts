/**
 * The hosts of one run that the hub carries out: its key and pinned host keys are files (0600) in a folder of their own (0700),
 * in memory where the machine has such a place, from when the first host is needed to the end of the run. What the run's
 * parameters say of files is never looked at: they are of the user's machine, and would be chosen by the user here.
 */
import { accessSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import type { HostConnection } from '@polyanthus/ground-ssh/connection';
import { sshErrors } from '@polyanthus/ground-ssh/errors';
import { hostsBySsh } from '@polyanthus/domains-lifecycle/host-access';
import type { OpenHost } from '@polyanthus/domains-lifecycle/host-command';
import type { SshAccess } from '@polyanthus/engine-runbook/ssh-secret';

/** Where key files are. */
export interface KeyFolder {
  readonly path: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

/** How it is opened. */
export interface RunHostsOptions {
  /** Reads and checks what the Secret holds. */
  readonly read: (ctx: Context) => Promise<SshAccess>;
  /** Folder of key folders; `keyPlace()`. */
  readonly place: string;
  /** A way to hosts with these files; sockets go into the folder too. */
  readonly openWith: (folder: KeyFolder) => OpenHost;
}

/** See the file's header. */
export interface RunHosts {
  readonly open: OpenHost;
  /** Ends connections, removes the folder. */
  close(): Promise<void>;
}

const prefix = 'px-hub-ssh-';
const closeMs = 3000;

/** The machine's ssh without settings and keys but the run's own: those of the account that a hub runs as are not its users'. */
export function privateSsh(options: {
  /** PATH. */
  readonly searchPath: string;
  readonly random: Random;
  /** Arguments before `ssh`: a test's network namespace, for instance. */
  readonly leading?: readonly string[];
}): RunHostsOptions['openWith'] {
  const { searchPath, random, leading = [] } = options;
  const program = [...leading, 'ssh', '-F', 'none', '-o', 'IdentityAgent=none'];
  return ({ path }) => hostsBySsh({ controlDir: () => path, env: { PATH: searchPath }, random, program });
}

/** A folder in memory where there is one, else the one for temporary files. */
export function keyPlace(): string {
  try {
    accessSync('/dev/shm', constants.W_OK | constants.X_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Removes what hubs left that were killed: folders of processes that are gone, and of this one, which begins now. */
export function removeLeftKeys(place: string, pid: number, lives: (pid: number) => boolean): void {
  for (const name of readdirSync(place)) {
    const owner = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(owner) || (owner !== pid && lives(owner))) continue;
    try {
      rmSync(join(place, name), { recursive: true, force: true });
    } catch (error) {
      // Another user's stays: it cannot be removed from here.
      if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/** Opens nothing yet. */
export function openRunHosts(ctx: Context, options: RunHostsOptions): RunHosts {
  const connections = new Map<string, Promise<HostConnection>>();
  let folder: Promise<KeyFolder> | undefined;
  const files = (inner: Context): Promise<KeyFolder> => {
    const made = folder ?? options.read(inner).then((access) => writeFiles(options.place, access));
    folder = made;
    // The API was away, for instance: the next host asks again.
    made.catch(() => (folder = undefined));
    return made;
  };
  const connect = (inner: Context, at: Parameters<OpenHost>[0]): Promise<HostConnection> => {
    const key = `${at.user}@${at.address}`;
    const known = connections.get(key);
    if (known !== undefined) return known;
    const made = files(inner).then((found) => options.openWith(found)({ ...at, ...found }));
    connections.set(key, made);
    made.catch(() => connections.delete(key));
    return made;
  };
  const close = async (): Promise<void> => {
    const ending = background({ log: ctx.log, clock: ctx.clock });
    const closing = [...connections.values()].map(async (one) =>
      withTimeout(ending, closeMs, 'closing a connection', async (inner) => (await one).close(inner)),
    );
    await Promise.allSettled(closing);
    const made = await folder?.catch(() => undefined);
    if (made !== undefined) rmSync(made.path, { recursive: true, force: true });
  };
  return { open: (at) => lazy(at, (inner) => connect(inner, at)), close };
}

function lazy(
  { address: name }: { readonly address: string },
  connect: (ctx: Context) => Promise<HostConnection>,
): HostConnection {
  return {
    name,
    run: async (ctx, script) => explained(async () => (await connect(ctx)).run(ctx, script)),
    upload: async (ctx, file) => explained(async () => (await connect(ctx)).upload(ctx, file)),
    // At the end of the run, with all others.
    close: () => Promise.resolve(),
  };
}

async function explained<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (cause) {
    if (!(cause instanceof CodedError) || cause.code !== 'HostUnreachable') throw cause;
    throw sshErrors.error(
      'HostUnreachable',
      `${cause.message} (from the hub, which reaches hosts from where it runs)`,
      { cause },
    );
  }
}

function writeFiles(place: string, access: SshAccess): KeyFolder {
  // Made with mode 0700.
  const path = mkdtempSync(join(place, `${prefix}${process.pid}-`));
  const [keyFile, knownHostsFile] = [join(path, 'key'), join(path, 'known_hosts')];
  const privately = { mode: 0o600, flag: 'wx' } as const;
  try {
    writeFileSync(keyFile, access.privateKey, privately);
    writeFileSync(knownHostsFile, access.knownHosts, privately);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
  return { path, keyFile, knownHostsFile };
}
