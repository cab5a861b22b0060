/** What a host offers over ssh. The system's ssh and the fake both implement it; one suite runs over both. */
import type { Context } from '@polyanthus/ground-base/context';

/** A POSIX sh script with its arguments (`$1`, `$2`, …). It goes over stdin, so it may be long and holds no secret in ps. */
export interface HostScript {
  readonly script: string;
  readonly args?: readonly string[];
  readonly timeoutMs: number;
  /** Bytes of stdout, and of stderr, that are kept; more is an error. Default 4 MiB. */
  readonly outputBytesMax?: number;
}

/** How a script ended. Every exit code is an answer; what it means is the caller's matter. */
export interface HostAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A file to put on the host: whole or not at all (written beside, synced, renamed). */
export interface HostFile {
  /** Absolute. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly timeoutMs: number;
}

/** A host. Errors are those of errors.ts; HostConnectionLost and HostTimedOut leave the outcome open. */
export interface HostConnection {
  readonly name: string;
  run(ctx: Context, script: HostScript): Promise<HostAnswer>;
  upload(ctx: Context, file: HostFile): Promise<void>;
  /** Ends the shared connection; harmless when there is none. */
  close(ctx: Context): Promise<void>;
}
