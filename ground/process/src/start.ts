/** Starting a program: argv only, never a shell; it and its children end together. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { cancelled } from '@polyanthus/ground-base/context';
import { processErrors } from './errors.ts';

export interface ProgramOptions {
  /** A name that is looked for on the PATH of `env`, or a path. */
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** `inherit` gives the terminal's stderr to the program. */
  readonly stderr?: 'pipe' | 'inherit';
  /** `inherit` gives the terminal's stdin to the program; then the caller does not write to it. */
  readonly stdin?: 'pipe' | 'inherit';
}

/** How a program ended: by itself with a code, or by a signal. */
export interface ProgramExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A running program. Its streams are the caller's to read; `ended` settles after they are closed. */
export interface RunningProgram {
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  /** Null when inherited. */
  readonly stderr: Readable | null;
  readonly ended: Promise<ProgramExit>;
  /** Stops the whole process group: SIGTERM, and SIGKILL after `graceMs`. Harmless when it has ended. */
  stop(graceMs?: number): void;
}

const stopGraceMs = 2_000;

/**
 * Starts a program in a process group of its own; a cancelled context stops it. Throws ProgramMissing or
 * ProgramNotAllowed, which name it.
 */
export async function startProgram(ctx: Context, options: ProgramOptions): Promise<RunningProgram> {
  if (ctx.signal.aborted) throw cancelled(ctx.signal);
  const terminal = options.stdin === 'inherit';
  const child = spawn(options.program, [...options.args], {
    env: { ...options.env },
    // A program that talks to the terminal must stay in its foreground group; there Ctrl-C reaches it anyway.
    detached: !terminal,
    stdio: [options.stdin ?? 'pipe', 'pipe', options.stderr ?? 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const ended = new Promise<ProgramExit>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  await started(child, options.program);
  child.stdin?.on('error', () => undefined);
  const stop = stopper(ctx, child, !terminal);
  const onAbort = (): void => stop();
  ctx.signal.addEventListener('abort', onAbort, { once: true });
  void ended.then(() => ctx.signal.removeEventListener('abort', onAbort));
  if (ctx.signal.aborted) stop();
  return { stdin: child.stdin, stdout: child.stdout as Readable, stderr: child.stderr, ended, stop };
}

function started(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause: NodeJS.ErrnoException) => reject(notStarted(program, cause)));
  });
}

function notStarted(program: string, cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'ENOENT')
    return processErrors.error('ProgramMissing', `${program} is not installed, or not on the path`, { cause });
  return processErrors.error('ProgramNotAllowed', `${program} cannot be run: ${cause.code ?? cause.message}`, {
    cause,
  });
}

function stopper(ctx: Context, child: ChildProcess, group: boolean): (graceMs?: number) => void {
  let stopping = false;
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (group && child.pid !== undefined) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // It has ended, and its group with it.
    }
  };
  return (graceMs = stopGraceMs) => {
    if (stopping) return;
    stopping = true;
    kill('SIGTERM');
    // Children that hold the pipes are in the group, so that this reaches them even when the program itself is gone.
    const timer = ctx.clock.after(graceMs, () => kill('SIGKILL'));
    child.once('close', () => timer.cancel());
  };
}
