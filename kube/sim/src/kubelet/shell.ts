/** The commands that every simulated container knows: enough for probes, tests and demos, and no more. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { Readable, Writable } from 'node:stream';
import type { ContainerBehaviour } from './behaviour.ts';
import { parseScript, type ShellCommand } from './shell-parser.ts';

export interface ShellWorld {
  readonly hostname: string;
  readonly env: Readonly<Record<string, string>>;
  readonly behaviour: ContainerBehaviour;
}

export interface ShellStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
}

interface Call {
  readonly ctx: Context;
  readonly world: ShellWorld;
  readonly streams: ShellStreams;
  readonly args: readonly string[];
}

type Builtin = (call: Call) => Promise<number>;

/** Thrown by `exit` inside a script. */
class Exit extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('exit');
    this.exitCode = exitCode;
  }
}

/** Runs a command and gives its exit code; 127 when the container has no such command, as a shell does. */
export async function runCommand(
  ctx: Context,
  world: ShellWorld,
  streams: ShellStreams,
  words: readonly string[],
): Promise<number> {
  try {
    return await call({ ctx, world, streams, args: words });
  } catch (error) {
    if (error instanceof Exit) return error.exitCode;
    throw error;
  }
}

async function call({ ctx, world, streams, args }: Call): Promise<number> {
  const canned = world.behaviour.commands?.[args.join(' ')];
  if (canned !== undefined) {
    await write(streams.stdout, canned.stdout ?? '');
    await write(streams.stderr, canned.stderr ?? '');
    if (canned.durationMs !== undefined) await sleep(ctx, canned.durationMs);
    return canned.exitCode ?? 0;
  }
  const [name = '', ...rest] = args;
  const builtin = builtins.get(name.replace(/^(\/usr)?\/bin\//, ''));
  if (builtin !== undefined) return builtin({ ctx, world, streams, args: rest });
  await write(streams.stderr, `${name}: not found\n`);
  return 127;
}

const builtins = new Map<string, Builtin>(
  Object.entries({
    true: async () => 0,
    false: async () => 1,
    exit: async ({ args }) => {
      throw new Exit(numberOf(args[0] ?? '0') & 255);
    },
    echo: async ({ streams, args }) => {
      const plain = args[0] === '-n';
      await write(streams.stdout, `${args.slice(plain ? 1 : 0).join(' ')}${plain ? '' : '\n'}`);
      return 0;
    },
    hostname: async ({ world, streams }) => {
      await write(streams.stdout, `${world.hostname}\n`);
      return 0;
    },
    env: async ({ world, streams }) => {
      await write(
        streams.stdout,
        Object.entries(world.env)
          .map(([name, value]) => `${name}=${value}\n`)
          .join(''),
      );
      return 0;
    },
    sleep: async ({ ctx, args }) => {
      await sleep(ctx, numberOf(args[0] ?? '0') * 1_000);
      return 0;
    },
    cat,
    ls,
    seq,
    sh: shell,
    bash: shell,
  } satisfies Record<string, Builtin>),
);

async function cat({ world, streams, args }: Call): Promise<number> {
  if (args.length === 0) {
    for await (const piece of streams.stdin ?? []) await write(streams.stdout, piece as Uint8Array);
    return 0;
  }
  for (const path of args) {
    const text = world.behaviour.files?.[path];
    if (text === undefined) {
      await write(streams.stderr, `cat: can't open '${path}': No such file or directory\n`);
      return 1;
    }
    await write(streams.stdout, text);
  }
  return 0;
}

async function ls({ world, streams, args }: Call): Promise<number> {
  const folder = `${(args.find((word) => !word.startsWith('-')) ?? '/').replace(/\/+$/, '')}/`;
  const names = new Set<string>();
  for (const path of Object.keys(world.behaviour.files ?? {})) {
    if (path.startsWith(folder)) names.add(path.slice(folder.length).split('/')[0] ?? '');
  }
  if (names.size === 0 && folder !== '/') {
    await write(streams.stderr, `ls: ${folder}: No such file or directory\n`);
    return 1;
  }
  await write(
    streams.stdout,
    [...names]
      .sort()
      .map((name) => `${name}\n`)
      .join(''),
  );
  return 0;
}

/** `seq LAST` or `seq FIRST LAST`: output of any size whose order can be checked. */
async function seq({ ctx, streams, args }: Call): Promise<number> {
  const first = args.length > 1 ? numberOf(args[0] ?? '') : 1;
  const last = numberOf(args.at(-1) ?? '');
  const perPiece = 8_000;
  for (let from = first; from <= last && !ctx.signal.aborted; from += perPiece) {
    let text = '';
    for (let value = from; value < from + perPiece && value <= last; value++) text += `${value}\n`;
    await write(streams.stdout, text);
  }
  return 0;
}

async function shell({ ctx, world, streams, args }: Call): Promise<number> {
  if (args[0] !== '-c' || args[1] === undefined) {
    await write(streams.stderr, 'sh: only -c is known here\n');
    return 2;
  }
  const script = parseScript(args[1], world.env);
  if (script === undefined) {
    await write(streams.stderr, 'sh: syntax error\n');
    return 2;
  }
  let exitCode = 0;
  for (const command of script) {
    if (isWanted(command, exitCode))
      exitCode = await call({
        ctx,
        world,
        streams: command.toStderr ? { ...streams, stdout: streams.stderr } : streams,
        args: command.words,
      });
  }
  return exitCode;
}

function isWanted(command: ShellCommand, exitCode: number): boolean {
  if (command.after === '&&') return exitCode === 0;
  return command.after === '||' ? exitCode !== 0 : true;
}

function numberOf(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : 0;
}

/** Writes and waits for room; what has no place, or no reader any more, is dropped. */
async function write(to: Writable | undefined, data: string | Uint8Array): Promise<void> {
  if (to === undefined || data.length === 0 || !to.writable) return;
  if (to.write(data)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  to.once('drain', resolve);
  to.once('close', resolve);
  await promise;
  to.off('drain', resolve);
  to.off('close', resolve);
}
