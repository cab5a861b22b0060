/** How a command finds the process that holds the sandboxes, or starts it. */
import { spawn } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { CodedError, hasCode } from '@polyanthus/ground-base/errors';
import { makeDirectory, privateFileMode } from '@polyanthus/ground-files/durable';
import { readBody } from '@polyanthus/ground-http/body';
import type { Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { ControlAnswers, ControlBody } from './control.ts';
import { daemonPaths, type DaemonAddress } from './daemon.ts';
import { sandboxErrors } from './errors.ts';

/** One request to the process. */
export type Ask = <K extends keyof ControlAnswers>(
  ctx: Context,
  request: K,
  name: string,
  body?: ControlBody,
) => Promise<ControlAnswers[K]>;

const answerBytesMax = 64 * 1024 * 1024;
const startTimeoutMs = 30_000;
const lookMs = 50;

/** The process that runs in the folder; undefined when none does. */
export async function findDaemon(ctx: Context, directory: string): Promise<Ask | undefined> {
  let address: DaemonAddress;
  try {
    address = JSON.parse(await readFile(daemonPaths(directory).address, 'utf8')) as DaemonAddress;
  } catch (error) {
    // Not there, or half of one that is being replaced.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { url, caPem, token } = address;
  const transport = createTransport({
    baseUrl: url,
    tls: { ca: caPem },
    headers: () => Promise.resolve({ authorization: `Bearer ${token}` }),
  });
  const ask: Ask = (inner, request, name, body) => askOf(inner, transport, directory, request, name, body) as never;
  try {
    await ask(ctx, 'GET /sandboxes', '');
    return ask;
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    // Killed: its file stayed, or another process has its port now and its certificate does not fit.
    ctx.log.debug('no sandbox server answers', { directory, error });
    return undefined;
  }
}

async function askOf(
  ctx: Context,
  transport: Transport,
  directory: string,
  request: keyof ControlAnswers,
  name: string,
  body: ControlBody = {},
): Promise<unknown> {
  const [method = '', path = ''] = request.split(' ');
  try {
    const response = await transport.request(ctx, {
      method,
      url: path.replace('NAME', name),
      headers: method === 'GET' ? {} : { 'content-type': 'application/json' },
      body: method === 'GET' ? null : Buffer.from(JSON.stringify(body)),
    });
    const answer: unknown = JSON.parse(Buffer.from(await readBody(response.body, answerBytesMax)).toString());
    if (response.status === 200) return answer;
    const { code, message, next } = answer as { code: string; message: string; next: string };
    throw new CodedError(code, message, { next });
  } catch (error) {
    if (ctx.signal.aborted || (error instanceof CodedError && !connectionCodes.has(error.code))) throw error;
    throw failed(directory, 'the sandbox server did not answer', error);
  }
}

const connectionCodes: ReadonlySet<string> = new Set(['ConnectionRefused', 'ConnectionBroken']);

function failed(directory: string, what: string, cause?: unknown): Error {
  return sandboxErrors.error('SandboxServerFailed', `${what}; its log is ${daemonPaths(directory).log}`, { cause });
}

/**
 * The running process, or a new one that lives on in the background. `self` starts this program. Throws
 * SandboxServerFailed.
 */
export async function requireDaemon(
  ctx: Context,
  directory: string,
  self: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ask> {
  const found = await findDaemon(ctx, directory);
  if (found !== undefined) return found;
  await makeDirectory(directory);
  const exited = start(directory, self, env);
  try {
    return await withTimeout(ctx, startTimeoutMs, 'starting the sandbox server', async (inner) => {
      for (;;) {
        const ask = await findDaemon(inner, directory);
        if (ask !== undefined) return ask;
        // Another command may have started one at the same time: then ours ends, and theirs answers soon.
        await sleep(inner, lookMs);
        if (exited() !== undefined && exited() !== 0) throw failed(directory, 'the sandbox server could not start');
      }
    });
  } catch (error) {
    if (ctx.signal.aborted || !hasCode(error, 'DeadlineExceeded')) throw error;
    throw failed(directory, 'the sandbox server did not start in time', error);
  }
}

/** Answers its exit code, once it has one. */
function start(
  directory: string,
  [program = 'polyanthus', ...first]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): () => number | undefined {
  const log = openSync(daemonPaths(directory).log, 'a', privateFileMode);
  const child = spawn(program, [...first, 'sandbox', 'serve', `--sandbox-dir=${directory}`, '--idle=10s'], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...env },
  });
  closeSync(log);
  let code: number | undefined;
  child.once('error', () => void (code = 1));
  child.once('exit', (ended) => void (code = ended ?? 1));
  child.unref();
  return () => code;
}
