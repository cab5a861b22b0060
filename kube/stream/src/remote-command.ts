/** What exec and attach streams carry, whatever the protocol below (kubelet server/remotecommand, client-go remotecommand). */
import type { Readable, Writable } from 'node:stream';
import { StatusError, type Status } from '@polyanthus/kube-objects/status';
import { streamErrors } from './errors.ts';

/** Which streams a command has. With a terminal stderr goes to stdout. */
export interface RemoteCommandOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** Columns and rows of a terminal. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** How a command ended: the part of a Status that the error stream carries. */
export type CommandStatus = Pick<Status, 'status' | 'message' | 'reason' | 'details'>;

/** The server's ends of a command's streams. */
export interface RemoteCommandStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly tty: boolean;
  /** Sizes of the client's terminal, as they change; ends with the connection. */
  readonly sizes: AsyncIterable<TerminalSize>;
}

/** SPDY's negotiation names; the bytes are those of the streams. */
export const remoteCommandProtocol = 'v4.channel.k8s.io';

/** Values of the `streamType` header; SPDY carries header names in lower case. */
export const streamTypeHeader = 'streamtype';

/** Success for 0, else the Failure that kubelet reports for an exit code. */
export function exitStatus(exitCode: number): CommandStatus {
  if (exitCode === 0) return { status: 'Success' };
  return {
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

/** A failure to run the command at all. */
export function failureStatus(message: string): CommandStatus {
  return { status: 'Failure', message, reason: 'InternalError', details: { causes: [{ message }] } };
}

/** The exit code of a Status; throws StatusError when it reports no exit code, StreamProtocolViolated when it is none. */
export function exitCodeOf(status: CommandStatus): number {
  if (status.status === 'Success') return 0;
  if (status.reason === 'NonZeroExitCode') {
    const text = status.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message ?? '';
    if (/^\d{1,3}$/.test(text)) return Number(text);
    throw streamErrors.error('StreamProtocolViolated', `a command failed with the exit code ${JSON.stringify(text)}`);
  }
  throw new StatusError({ code: 500, ...status, apiVersion: 'v1', kind: 'Status', metadata: {} });
}

/** The bytes of the error stream. */
export function encodeStatus(status: CommandStatus): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ metadata: {}, ...status }));
}

/** Reads the error stream's bytes; throws StreamProtocolViolated when they are not a Status. */
export function decodeStatus(bytes: Uint8Array): CommandStatus {
  let status: Partial<CommandStatus> | null = null;
  try {
    status = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<CommandStatus> | null;
  } catch (cause) {
    throw streamErrors.error('StreamProtocolViolated', 'the error stream carries no JSON', { cause });
  }
  if (status === null || (status.status !== 'Success' && status.status !== 'Failure'))
    throw streamErrors.error('StreamProtocolViolated', 'the error stream carries no Status');
  return status as CommandStatus;
}

/**
 * The options in a request's query: kubelet names the streams input, output, error and tty with `1`; a pod's
 * subresource names them stdin, stdout, stderr and tty with `true`. Undefined when no stream is asked for.
 */
export function optionsOfQuery(query: URLSearchParams, names: 'pod' | 'kubelet'): RemoteCommandOptions | undefined {
  const on = (pod: string, kubelet: string): boolean => {
    const value = query.get(names === 'pod' ? pod : kubelet);
    return value === '1' || value === 'true';
  };
  const tty = on('tty', 'tty');
  const options = {
    stdin: on('stdin', 'input'),
    stdout: on('stdout', 'output'),
    stderr: on('stderr', 'error') && !tty,
    tty,
  };
  return options.stdin || options.stdout || options.stderr ? options : undefined;
}

const sizeTextMax = 4_096;

/** Terminal sizes from the resize stream: JSON objects one after another, with or without white space between. */
export async function* terminalSizes(stream: AsyncIterable<Uint8Array> | undefined): AsyncGenerator<TerminalSize> {
  if (stream === undefined) return;
  let text = '';
  for await (const piece of stream) {
    text += Buffer.from(piece).toString('latin1');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const size = sizeOf(text.slice(0, end + 1));
      text = text.slice(end + 1);
      if (size !== undefined) yield size;
    }
    if (text.length > sizeTextMax)
      throw streamErrors.error('StreamProtocolViolated', 'the resize stream carries no terminal sizes');
  }
}

function sizeOf(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    const valid = (value: unknown): value is number =>
      Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;
    return valid(Width) && valid(Height) ? { width: Width, height: Height } : undefined;
  } catch {
    return undefined;
  }
}

export function encodeSize(size: TerminalSize): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ Width: size.width, Height: size.height })}\n`);
}
