/** Child processes of the benchmarks: started here, ended here by their ids, their processor time read from /proc. */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../../lab/src/parts.ts';

const here = import.meta.dirname;
const root = join(here, '../..');
const children = new Set<ChildProcess>();

/** A folder for everything of this run. */
export const runFolder: string = mkdtempSync(join(tmpdir(), 'polyanthus-bench-'));

/** A process that has said that it is ready; `line` is what it said. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly line: string;
}

/** Starts a process and waits for the first line that matches. It is ended with this one. */
export async function start(
  command: string,
  args: readonly string[],
  ready: RegExp = /./,
  options: SpawnOptions = {},
): Promise<Started> {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.once('exit', () => children.delete(child));
  let said = '';
  const line = await new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      said = (said + chunk.toString('utf8')).slice(-8_000);
      const found = said.split('\n').find((one) => ready.test(one));
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${said}`)));
  });
  return { child, pid: child.pid ?? 0, line };
}

/** Starts a process by a command before it, such as `ip netns exec NAME`; with none as it is. */
export function startBy(
  prefix: readonly string[],
  command: string,
  args: readonly string[],
  ready?: RegExp,
): Promise<Started> {
  const [first, ...more] = prefix;
  return first === undefined ? start(command, args, ready) : start(first, [...more, command, ...args], ready);
}

/** Ends one process and waits for it. */
export async function end(started: Started, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const { child } = started;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Ends all that still run, and removes the folder of the run. */
export async function endAll(): Promise<void> {
  await Promise.all([...children].map((child) => end({ child, pid: child.pid ?? 0, line: '' }, 'SIGKILL')));
  rmSync(runFolder, { recursive: true, force: true, maxRetries: 5 });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void endAll().then(() => process.exit(1)));

/** User and system seconds of these processes since they began. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

/** Resident memory of a process in MB (10^6). */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 976.5625;
}

/** The product's bundle, built now and copied, so that a later build does not change what runs. Gives main.mjs. */
export function bundle(): string {
  const folder = join(runFolder, 'dist');
  if (!existsSync(folder)) {
    const built = spawnSync(process.execPath, [join(root, 'apps/build.ts')], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (built.status !== 0) throw new Error('apps/build.ts failed');
    cpSync(join(root, 'dist'), folder, { recursive: true });
  }
  return join(folder, 'main.mjs');
}

/** What the load generator measured. */
export type LoadResult = Readonly<Record<string, number>>;

/** Runs the load generator. */
export async function load(mode: string, flags: Readonly<Record<string, string | number>>): Promise<LoadResult> {
  const args = [mode, ...Object.entries(flags).map(([name, value]) => `-${name}=${value}`)];
  const child = spawn(join(cacheFolder, 'bench/load'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let out = '';
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  await once(child, 'close');
  children.delete(child);
  if (child.exitCode !== 0) throw new Error(`load ${args.join(' ')}: ${said.slice(-1_000)}`);
  return JSON.parse(out) as LoadResult;
}

/** The middle one; the lower of two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN;
}

/** The load average of the last minute. */
export function loadAverage(): string {
  return loadavg()[0]?.toFixed(1) ?? '';
}

/** One line of output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
