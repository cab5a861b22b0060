/** The system's OpenSSH: users' config, agents, bastions and hardware keys work as they do for them. Host keys are pinned. */
import { join } from 'node:path';
import { withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode, type CodedError } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { startProgram } from '@polyanthus/ground-process/start';
import { sshErrors } from './errors.ts';
import type { HostAnswer, HostConnection } from './connection.ts';
import { scriptCommand, splitMark, uploadCommand } from './remote-shell.ts';

/** Where and as whom. */
export interface OpenSshOptions {
  /** Address or name as ssh takes it. */
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  readonly keyFile?: string;
  /** Must hold the host's key; it is never written. */
  readonly knownHostsFile: string;
  /** Folder (mode 0700, short path) for the socket of the shared connection. */
  readonly controlDir: string;
  /** Run everything through `sudo -n`. */
  readonly become: boolean;
  readonly random: Random;
  /** The environment of ssh: PATH, HOME, SSH_AUTH_SOCK. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What to run instead of `ssh`, with leading arguments: a test's network namespace, for instance. */
  readonly program?: readonly string[];
}

const outputBytesDefault = 4 * 1024 * 1024;
const connectTimeoutSeconds = 10;

/** Opens nothing yet: the first command connects, later ones share that connection for a minute. */
export function createOpenSsh(options: OpenSshOptions): HostConnection {
  const [program = 'ssh', ...leading] = options.program ?? ['ssh'];
  const call = (ctx: Context, remote: readonly string[], input: Uint8Array, limit: number): Promise<Ended> =>
    runSsh(ctx, { program, args: [...leading, ...sshArguments(options), ...remote], env: options.env, input, limit });
  const mark = (): string => `polyanthus-${options.random.uuid()}`;
  const timed = async (
    ctx: Context,
    timeoutMs: number,
    what: string,
    fn: (inner: Context) => Promise<HostAnswer>,
  ): Promise<HostAnswer> => {
    try {
      return await withTimeout(ctx, timeoutMs, what, fn);
    } catch (cause) {
      if (ctx.signal.aborted || !hasCode(cause, 'DeadlineExceeded')) throw cause;
      throw sshErrors.error('HostTimedOut', `${options.host}: ${what} did not end within ${timeoutMs} ms`, { cause });
    }
  };
  return {
    name: options.host,
    run: (ctx, script) =>
      timed(ctx, script.timeoutMs, 'a command', async (inner) => {
        const token = mark();
        const ended = await call(
          inner,
          ['--', options.host, scriptCommand(token, script.args ?? [], options.become)],
          Buffer.from(script.script),
          script.outputBytesMax ?? outputBytesDefault,
        );
        return answerOf(options.host, token, ended);
      }),
    upload: async (ctx, file) => {
      const answer = await timed(ctx, file.timeoutMs, 'an upload', async (inner) => {
        const token = mark();
        return answerOf(
          options.host,
          token,
          await call(
            inner,
            ['--', options.host, uploadCommand(token, file.path, file.mode, options.become)],
            file.content,
            outputBytesDefault,
          ),
        );
      });
      if (answer.code !== 0)
        throw sshErrors.error(
          'HostConnectionLost',
          `${options.host}: ${file.path} could not be written: ${answer.stderr.toString('utf8').trim().slice(-500)}`,
        );
    },
    close: async (ctx) =>
      void (await call(ctx, ['-O', 'exit', '--', options.host], new Uint8Array(0), outputBytesDefault)),
  };
}

function sshArguments(options: OpenSshOptions): readonly string[] {
  const settings: Readonly<Record<string, string>> = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: options.knownHostsFile,
    GlobalKnownHostsFile: '/dev/null',
    ConnectTimeout: String(connectTimeoutSeconds),
    ServerAliveInterval: '5',
    ServerAliveCountMax: '3',
    ControlMaster: 'auto',
    ControlPath: join(options.controlDir, '%C'),
    ControlPersist: '60',
    LogLevel: 'ERROR',
  };
  return [
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    '-l',
    options.user,
    ...(options.port === undefined ? [] : ['-p', String(options.port)]),
    ...(options.keyFile === undefined ? [] : ['-i', options.keyFile, '-o', 'IdentitiesOnly=yes']),
  ];
}

interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly tooMuch: boolean;
}

interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: Uint8Array;
  readonly limit: number;
}

async function runSsh(ctx: Context, call: Call): Promise<Ended> {
  const running = await startProgram(ctx, { program: call.program, args: call.args, env: call.env });
  const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[], bytes: 0 };
  const keep = (list: Buffer[]) => (piece: Buffer) => {
    kept.bytes += piece.length;
    if (kept.bytes <= call.limit) list.push(piece);
    else running.stop(0);
  };
  running.stdout.on('data', keep(kept.stdout));
  running.stderr?.on('data', keep(kept.stderr));
  running.stdin?.end(call.input);
  const { code } = await running.ended;
  return {
    code,
    stdout: Buffer.concat(kept.stdout),
    stderr: Buffer.concat(kept.stderr),
    tooMuch: kept.bytes > call.limit,
  };
}

function answerOf(host: string, mark: string, ended: Ended): HostAnswer {
  const split = splitMark(ended.stderr, mark);
  if (split !== undefined && !ended.tooMuch) return { code: split.code, stdout: ended.stdout, stderr: split.stderr };
  if (ended.tooMuch)
    throw sshErrors.error('HostConnectionLost', `${host}: a command wrote more than is read and was cut off`);
  throw troubleOf(host, ended);
}

/** ssh speaks English whatever the locale: its messages are not translated. */
function troubleOf(host: string, ended: Ended): CodedError {
  const text = ended.stderr.toString('utf8').trim();
  const last = text.split('\n').at(-1) ?? '';
  const because = `${host}: ${last === '' ? `ssh ended with ${ended.code ?? 'a signal'}` : last}`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(text))
    return sshErrors.error('HostKeyChanged', `${host}: the host key is not the pinned one`);
  if (/Host key verification failed|No .* host key is known/.test(text))
    return sshErrors.error('HostKeyUnknown', because);
  if (/Permission denied|Too many authentication failures/.test(text))
    return sshErrors.error('HostAuthRefused', because);
  if (/^sudo: /m.test(text)) return sshErrors.error('HostBecomeRefused', because);
  if (
    /Connection refused|timed out|No route to host|Could not resolve|Network is unreachable|Connection closed by|kex_exchange/.test(
      text,
    )
  )
    return sshErrors.error('HostUnreachable', because);
  return sshErrors.error('HostConnectionLost', because);
}
