/**
 * Machines for the hosts tier: namespaces with systemd, sshd, containerd and a real kubelet on a network of their own
 * (lab/hosts/*.sh). Names carry the owner's pid; what a dead owner left is cleaned before a new one starts.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { imageSet } from './images.ts';
import { binary, cacheFolder, parts } from './parts.ts';

const run = promisify(execFile);
const scripts = join(import.meta.dirname, '../hosts');
const labFolder = join(cacheFolder, 'hosts');
const runPrefix = 'px';

/** Answer of a command on a host; a non-zero code is not an error here. */
export interface HostAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A set of hosts `h1`, `h2`, … with addresses 10.88.0.11, … and a workstation at 10.88.0.1. */
export interface Hosts {
  readonly names: readonly string[];
  readonly namespace: (host: string) => string;
  address(host: string): string;
  /** Runs a shell script on a host, over ssh from the workstation; the script goes over stdin. */
  ssh(host: string, script: string, timeoutMs?: number): Promise<HostAnswer>;
  /** Runs one of the lab's own verbs: `cut`, `up`, `down`, `unplug`, `plug`. */
  power(verb: 'up' | 'down' | 'cut' | 'unplug' | 'plug', host: string): Promise<void>;
  /** Ends all hosts, wipes their disks and removes the network. */
  stop(): Promise<void>;
}

/** Why a test cannot run that needs root and nothing of the lab (mounts, users), or undefined. */
export function whyNotRoot(): string | undefined {
  if (process.platform === 'linux' && process.getuid?.() === 0) return undefined;
  if (process.env['REQUIRE_HOSTS'] === '1') throw new Error('REQUIRE_HOSTS=1, but it needs root on Linux');
  return 'it needs root on Linux';
}

/**
 * Why the hosts tier cannot run here, or undefined. With REQUIRE_HOSTS=1 that is an error, so that a skip never passes for
 * green.
 */
export function whyNotHosts(): string | undefined {
  const missing = parts
    .filter((part) => part.version !== '1.36.3' && binary(part.name, part.version) === undefined)
    .map((part) => `${part.name} ${part.version}`);
  let why: string | undefined;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) why = 'it needs root on Linux';
  else if (missing.length > 0) why = `not built yet: ${missing.join(', ')} (node lab/build.ts)`;
  else if (!existsSync('/usr/sbin/debootstrap') && !existsSync(join(labFolder, 'rootfs/etc')))
    why = 'debootstrap is not installed';
  if (why !== undefined && process.env['REQUIRE_HOSTS'] === '1') throw new Error(`REQUIRE_HOSTS=1, but ${why}`);
  return why;
}

/** What every host sees read-only at /media/lab. */
export const mediaFolder = join(labFolder, 'media');

/** The private key that every host of the lab accepts for root. */
export const labKeyFile = join(labFolder, 'id_ed25519');

/** Root file system and ssh key: made once, cached. Enough for hosts without Kubernetes. */
export function prepareHosts(): Promise<void> {
  mkdirSync(mediaFolder, { recursive: true });
  const env = { ...process.env, LAB_DIR: labFolder };
  execFileSync('bash', [join(scripts, 'rootfs.sh')], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return Promise.resolve();
}

/** Hosts, media and images of a version: made once, cached. Takes minutes the first time. */
export async function prepareMedia(version: string): Promise<void> {
  await prepareHosts();
  const media = mediaFolder;
  const pause = join(labFolder, 'pause');
  if (!existsSync(pause)) execFileSync('gcc', ['-Os', '-static', '-s', '-o', pause, join(scripts, 'pause.c')]);
  for (const folder of ['containerd', 'cni', 'images', 'etc', `bin/${version}`])
    mkdirSync(join(media, folder), { recursive: true });
  for (const name of readdirSync(join(scripts, 'etc')))
    copyFileSync(join(scripts, 'etc', name), join(media, 'etc', name));
  copyFileSync(join(scripts, 'node-setup.sh'), join(media, 'node-setup.sh'));
  const put = (name: string, partVersion: string, folder: string): void => {
    const built = binary(name, partVersion);
    if (built === undefined) throw new Error(`${name} ${partVersion} is not built`);
    copyFileSync(built, join(media, folder, name));
  };
  for (const name of ['containerd', 'containerd-shim-runc-v2', 'ctr']) put(name, '2.3.7', 'containerd');
  for (const name of ['bridge', 'loopback', 'host-local', 'portmap']) put(name, '1.9.1', 'cni');
  for (const name of ['kubelet', 'kubeadm', 'kubectl']) put(name, version, `bin/${version}`);
  await imageSet(labFolder, version, pause);
  await imageSet(labFolder, 'addons', pause);
}

/** Starts `count` hosts and waits until ssh answers on each. */
export async function startHosts(count: number): Promise<Hosts> {
  await cleanDeadRuns();
  const runName = `${runPrefix}${process.pid}`;
  const env = { ...process.env, LAB_DIR: labFolder, LAB_RUN: runName };
  const names = Array.from({ length: count }, (_none, index) => `h${index + 1}`);
  mkdirSync(join(labFolder, 'runs', runName), { recursive: true });
  await run('bash', [join(scripts, 'net.sh'), 'up'], { env });
  const power: Hosts['power'] = async (verb, host) =>
    void (await run('bash', [join(scripts, 'host.sh'), verb, host], { env, timeout: 60_000 }));
  const hosts: Hosts = {
    names,
    namespace: (host) => `${runName}-${host}`,
    address: (host) => `10.88.0.${10 + Number(host.slice(1))}`,
    ssh: (host, script, timeoutMs = 120_000) => sshTo(runName, hosts.address(host), script, timeoutMs),
    power,
    stop: () => stopRun(runName, names),
  };
  for (const name of names) await power('up', name);
  for (const name of names) await untilSsh(hosts, name);
  return hosts;
}

async function untilSsh(hosts: Hosts, name: string): Promise<void> {
  for (let attempt = 0; attempt < 150; attempt++) {
    if ((await hosts.ssh(name, 'true', 10_000)).code === 0) return;
    await delay(200);
  }
  throw new Error(`host ${name} did not answer ssh within 30 s`);
}

function sshTo(runName: string, address: string, script: string, timeoutMs: number): Promise<HostAnswer> {
  const options = [
    '-i',
    join(labFolder, 'id_ed25519'),
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'ConnectTimeout=5',
  ];
  const child = spawn('ip', ['netns', 'exec', `${runName}-ws`, 'ssh', ...options, `root@${address}`, 'bash', '-s'], {
    timeout: timeoutMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(script);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? 255, stdout, stderr })));
}

async function stopRun(runName: string, names: readonly string[]): Promise<void> {
  const env = { ...process.env, LAB_DIR: labFolder, LAB_RUN: runName };
  const quietly = (args: readonly string[]): Promise<unknown> =>
    run('bash', [...args], { env, timeout: 60_000 }).catch(() => undefined);
  await Promise.all(names.map((name) => quietly([join(scripts, 'host.sh'), 'cut', name])));
  for (const name of names) await quietly([join(scripts, 'host.sh'), 'wipe', name]);
  await quietly([join(scripts, 'net.sh'), 'down']);
  rmSync(join(labFolder, 'runs', runName), { recursive: true, force: true });
}

/** Removes the runs whose owner no longer lives. */
export async function cleanDeadRuns(): Promise<void> {
  const runs = join(labFolder, 'runs');
  if (!existsSync(runs)) return;
  for (const name of readdirSync(runs)) {
    if (!name.startsWith(runPrefix) || existsSync(`/proc/${name.slice(runPrefix.length)}`)) continue;
    await stopRun(
      name,
      readdirSync(join(runs, name)).filter((host) => /^h\d+$/.test(host)),
    );
  }
}
