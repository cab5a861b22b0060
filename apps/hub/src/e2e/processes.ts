/** Child processes of the end-to-end tests: what they said, and their end. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../../..');

/** Prints a measured figure, so that a run of the tests is a record of them. */
export function figure(text: string): void {
  process.stdout.write(`figure: ${text}\n`);
}

/** What a program said, its exit code (128 for a signal), and how long it took. */
export interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number;
  readonly ms: number;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ended after this time; 2 minutes. */
  readonly timeoutMs?: number;
}

/** Runs to the end. A code other than 0 is an answer, not an error. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Said> {
  const started = performance.now();
  const child = spawn(program, [...args], {
    env: { ...process.env, ...options.env },
    timeout: options.timeoutMs ?? 120_000,
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { out, err, code: code ?? 128, ms: performance.now() - started };
}

/** A program that goes on. */
export interface Running {
  readonly child: ChildProcess;
  /** All that it said so far, both outputs. */
  said(): string;
  /** The first match in what it said or will say within a minute. Rejects when it ends without. */
  saying(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>;
  /** Its exit code, when it ends by itself. */
  readonly ended: Promise<number>;
  /** SIGTERM, SIGKILL after 10 s. Gives the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/** Starts it. */
export function start(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let text = '';
  const listeners = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = once(child, 'close').then(([code]) => (code as number | null) ?? 128);
  const saying = (pattern: RegExp, withinMs = 60_000): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`did not say ${pattern} within ${withinMs} ms: ${text}`)),
        withinMs,
      );
      const look = (): void => {
        const match = pattern.exec(text);
        if (match === null) return;
        listeners.delete(look);
        clearTimeout(late);
        resolve(match);
      };
      listeners.add(look);
      look();
      void ended.then((code) => {
        clearTimeout(late);
        reject(new Error(`ended with ${code} before saying ${pattern}: ${text}`));
      });
    });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number> => {
    if (child.exitCode !== null || child.signalCode !== null) return ended;
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const code = await ended;
    clearTimeout(late);
    return code;
  };
  return { child, said: () => text, saying, ended, stop };
}

/** Bundles the apps into `folder`; gives the entry of the command line. */
export async function bundle(folder: string): Promise<string> {
  const into = join(folder, 'bundle');
  await promisify(execFile)(process.execPath, [join(root, 'apps/build.ts'), into]);
  return join(into, 'main.mjs');
}
