/** How a simulated container behaves, as data: what its commands print, what it logs, what its ports answer. */
import type { Context } from '@polyanthus/ground-base/context';

/** A command's canned result, chosen by the whole command line (words joined by one space). */
export interface CannedCommand {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exitCode?: number;
  /** Time until it ends, by the context's clock. */
  readonly durationMs?: number;
}

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Without its line end. */
  readonly text: string;
}

/** `echo` gives back every byte; `http` answers every HTTP/1.1 request. */
export type PortBehaviour =
  | { readonly kind: 'echo' }
  | { readonly kind: 'http'; readonly status?: number; readonly body: string; readonly contentType?: string };

/** What a simulated container does, as data. */
export interface ContainerBehaviour {
  /** Besides the small shell that every container has (`shell.ts`). */
  readonly commands?: Readonly<Record<string, CannedCommand>>;
  /** Besides the container's own `env` of the pod. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute path to text, for `cat` and `ls`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly ports?: Readonly<Record<number, PortBehaviour>>;
  /** What it has logged so far, oldest first; `previous`: the instance before the last restart, undefined when none. */
  readonly logs?: (previous: boolean) => readonly LogLine[] | undefined;
  /** What it logs from now on, for those who follow; ends when the container does. Absent: nothing, until the client goes. */
  readonly liveLogs?: (ctx: Context) => AsyncIterable<LogLine>;
}
