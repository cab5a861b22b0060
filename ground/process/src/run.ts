/** Running a program to its end with its output in memory. */
import type { Readable } from 'node:stream';
import { cancelled, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { processErrors } from './errors.ts';
import { startProgram, type ProgramOptions } from './start.ts';

export interface RunOptions extends ProgramOptions {
  readonly timeoutMs: number;
  /** Bytes of stdout, and of stderr, that are kept; more stops the program. Default 16 MiB. */
  readonly outputBytesMax?: number;
  /** Written to its stdin, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Exit codes that are no failure; default only 0. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

const outputBytesDefault = 16 * 1024 * 1024;

/**
 * Runs a program and returns its output. Throws ProgramMissing, ProgramFailed (with the end of its stderr),
 * ProgramTimedOut, ProgramTalkedTooMuch. Arguments are not put into messages: they may be secrets.
 */
export async function runProgram(ctx: Context, options: RunOptions): Promise<RunResult> {
  try {
    return await withTimeout(ctx, options.timeoutMs, options.program, (inner) => runToEnd(inner, options));
  } catch (error) {
    if (!hasCode(error, 'DeadlineExceeded') || ctx.signal.aborted) throw error;
    throw processErrors.error(
      'ProgramTimedOut',
      `${options.program} did not end within ${options.timeoutMs} ms and was stopped`,
      { cause: error },
    );
  }
}

async function runToEnd(ctx: Context, options: RunOptions): Promise<RunResult> {
  const running = await startProgram(ctx, options);
  const limit = options.outputBytesMax ?? outputBytesDefault;
  running.stdin?.end(options.input ?? '');
  const [stdout, stderr] = [
    keep(running.stdout, limit, () => running.stop(0)),
    keep(running.stderr, limit, () => running.stop(0)),
  ];
  const exit = await running.ended;
  if (ctx.signal.aborted) throw cancelled(ctx.signal);
  if (stdout.size > limit || stderr.size > limit)
    throw processErrors.error(
      'ProgramTalkedTooMuch',
      `${options.program} wrote more than ${limit} bytes and was stopped`,
    );
  if (exit.code === null || !(options.okCodes ?? [0]).includes(exit.code)) {
    const how = exit.code === null ? `was ended by ${exit.signal ?? 'a signal'}` : `ended with ${exit.code}`;
    throw processErrors.error('ProgramFailed', `${options.program} ${how}${tail(stderr.bytes())}`);
  }
  return { code: exit.code, stdout: stdout.bytes(), stderr: stderr.bytes() };
}

interface Kept {
  readonly size: number;
  bytes(): Buffer;
}

function keep(stream: Readable | null, limit: number, tooMuch: () => void): Kept {
  const pieces: Buffer[] = [];
  const kept = { size: 0, bytes: () => Buffer.concat(pieces) };
  stream?.on('data', (piece: Buffer) => {
    kept.size += piece.length;
    if (kept.size <= limit) pieces.push(piece);
    else tooMuch();
  });
  return kept;
}

/** The last line or lines that a person needs, on one line. */
function tail(stderr: Buffer): string {
  const text = stderr
    .toString('utf8')
    .trim()
    .slice(-600)
    .replaceAll(/\s*\n\s*/g, '; ');
  return text === '' ? '' : `: ${text}`;
}
