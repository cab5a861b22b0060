/** Running a command in a container, or attaching to its own process, as kubectl does. */
import { pipeline } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import type { Transport } from '@polyanthus/ground-http/message';
import { openRemoteCommand, type RemoteCommand } from '@polyanthus/kube-stream/remote-command-client';
import { exitCodeOf, type TerminalSize } from '@polyanthus/kube-stream/remote-command';

export interface AttachOptions {
  readonly namespace: string;
  readonly pod: string;
  /** Absent: the pod's default container. */
  readonly container?: string | undefined;
  /** Its end is the end of the command's stdin. */
  readonly stdin?: Readable | undefined;
  /** Where output goes; neither is ended. An output without a place is not asked for. */
  readonly stdout?: Writable | undefined;
  /** With `tty`, stderr comes with stdout. */
  readonly stderr?: Writable | undefined;
  readonly tty?: boolean;
  /** Sizes of the terminal, as they change. */
  readonly resize?: AsyncIterable<TerminalSize> | undefined;
  readonly random: Random;
  /** Default: WebSocket, then SPDY when that is refused. */
  readonly protocols?: readonly ('websocket' | 'spdy')[];
}

export interface ExecOptions extends AttachOptions {
  readonly command: readonly string[];
}

/**
 * Runs a command and resolves with its exit code once all its output is written. Throws StatusError when the API or the
 * node refused it, StreamBroken when the connection ended without telling how the command ended.
 */
export function exec(ctx: Context, transport: Transport, options: ExecOptions): Promise<number> {
  return run(ctx, transport, 'exec', options, options.command);
}

/** Attaches to a container's own process; resolves with its exit code, 0 when the node tells none. Errors as `exec`. */
export function attach(ctx: Context, transport: Transport, options: AttachOptions): Promise<number> {
  return run(ctx, transport, 'attach', options, []);
}

async function run(
  ctx: Context,
  transport: Transport,
  subresource: 'exec' | 'attach',
  options: AttachOptions,
  command: readonly string[],
): Promise<number> {
  const tty = options.tty ?? false;
  const wanted = {
    stdin: options.stdin !== undefined,
    stdout: options.stdout !== undefined,
    stderr: options.stderr !== undefined && !tty,
    tty,
  };
  const opened = await openRemoteCommand(ctx, transport, {
    ...wanted,
    url: `/api/v1/namespaces/${encodeURIComponent(options.namespace)}/pods/${encodeURIComponent(options.pod)}/${subresource}?${queryOf(options.container, wanted, command)}`,
    random: options.random,
    ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
  });
  try {
    feed(opened, options);
    const outputs = [copy(opened.stdout, options.stdout), copy(opened.stderr, options.stderr)];
    const [status] = await Promise.all([opened.status, ...outputs]);
    return exitCodeOf(status);
  } finally {
    if (opened.stdin !== undefined) options.stdin?.unpipe(opened.stdin);
    opened.close();
  }
}

function queryOf(
  container: string | undefined,
  wanted: Readonly<Record<string, boolean>>,
  command: readonly string[],
): string {
  const query = new URLSearchParams();
  for (const word of command) query.append('command', word);
  if (container !== undefined) query.set('container', container);
  for (const [name, on] of Object.entries(wanted)) if (on) query.set(name, 'true');
  return query.toString();
}

/** Input ends with the command, which may end before it was all read: that is no failure. */
function feed(command: RemoteCommand, options: AttachOptions): void {
  if (command.stdin !== undefined) {
    const remote = command.stdin;
    options.stdin?.once('error', () => remote.end());
    options.stdin?.pipe(remote);
  }
  void resizes(command, options.resize);
}

async function resizes(command: RemoteCommand, sizes: AsyncIterable<TerminalSize> | undefined): Promise<void> {
  try {
    for await (const size of sizes ?? []) command.resize(size);
  } catch {
    // Without its size the terminal still works.
  }
}

async function copy(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) return;
  if (to === undefined) from.resume();
  else await pipeline(from, to, { end: false });
}
