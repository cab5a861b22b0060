/** The Debian packages of the image: a lock of their versions and hashes, and how they are fetched and unpacked. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { runProgram } from '@polyanthus/ground-process/run';
import { imageErrors } from './errors.ts';

/** One package, exactly. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** All of them, and the time that every file of the image gets. */
export interface PackageLock {
  readonly comment: string;
  readonly createdSeconds: number;
  readonly packages: readonly LockedPackage[];
}

/** What Node's executable links to; the closure adds what these depend on. */
const roots = ['libc6', 'libgcc-s1', 'libstdc++6'];
const lockPath = join(import.meta.dirname, '../packages.lock.json');
const packageBytesMax = 64 * 1024 * 1024;

/** Reads the committed lock. */
export async function readLock(): Promise<PackageLock> {
  return JSON.parse(await readFile(lockPath, 'utf8')) as PackageLock;
}

/** The closure of the roots as this machine's apt knows it now. Throws the errors of ground/process. */
export async function resolveLock(ctx: Context): Promise<PackageLock> {
  const without = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const closure = await apt(ctx, 'apt-cache', ['depends', '--recurse', ...without, ...roots]);
  const names = closure.split('\n').filter((line) => /^[a-z0-9]/.test(line));
  const shown = await apt(ctx, 'apt-cache', ['show', '--no-all-versions', ...[...new Set(names)].sort()]);
  const packages = shown.trim().split(/\n\n+/).map(lockedPackage);
  return {
    comment: 'Written by `node apps/image/build.ts --refresh-lock`.',
    createdSeconds: Math.floor(ctx.clock.now() / 86_400_000) * 86_400,
    packages,
  };
}

function lockedPackage(paragraph: string): LockedPackage {
  const field = (name: string): string => new RegExp(`^${name}: (.+)$`, 'm').exec(paragraph)?.[1] ?? '';
  return {
    name: field('Package'),
    version: field('Version'),
    architecture: field('Architecture'),
    bytes: Number(field('Size')),
    sha256: field('SHA256'),
  };
}

/**
 * The unpacked files of a package; `cacheFolder` keeps what was fetched, by hash. apt checks the archive's signature, the
 * lock the bytes. Throws PackageUnavailable, PackageChanged.
 */
export async function unpackPackage(
  ctx: Context,
  cacheFolder: string,
  one: LockedPackage,
  into: string,
): Promise<void> {
  const archive = join(cacheFolder, `${one.sha256}.deb`);
  if (!existsSync(archive)) await fetchPackage(ctx, cacheFolder, one, archive);
  const content = await readFile(archive);
  if (createHash('sha256').update(content).digest('hex') !== one.sha256)
    throw imageErrors.error('PackageChanged', `${one.name} ${one.version}: sha256 is not ${one.sha256} (${archive})`);
  await apt(ctx, 'dpkg-deb', ['--extract', archive, into]);
}

async function fetchPackage(ctx: Context, cacheFolder: string, one: LockedPackage, archive: string): Promise<void> {
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, 'fetch-'));
  // apt gives up its rights before it fetches; it must be able to write here.
  await chmod(folder, 0o777);
  try {
    await apt(ctx, 'apt-get', ['download', '-q', `${one.name}:${one.architecture}=${one.version}`], folder);
    const [fetched] = await readdir(folder);
    await rename(join(folder, fetched ?? ''), archive);
  } catch (cause) {
    if (hasCode(cause, 'Cancelled')) throw cause;
    throw imageErrors.error('PackageUnavailable', `${one.name} ${one.version} cannot be fetched by apt-get download`, {
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function apt(ctx: Context, program: string, args: readonly string[], cwd?: string): Promise<string> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  const { stdout } = await runProgram(ctx, {
    program,
    args,
    env,
    timeoutMs: 120_000,
    outputBytesMax: packageBytesMax,
    ...(cwd === undefined ? {} : { cwd }),
  });
  return stdout.toString('utf8');
}
