/** From argv to an exit code: finds the command in the tree, parses, runs, and says what failed and what to do next. */
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError, hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { isGroup, type Command, type CommandEnvironment, type CommandGroup } from './command.ts';
import { complete, completionScript } from './completion.ts';
import { cliErrors } from './errors.ts';
import { parseCommand } from './parse.ts';
import { didYouMean } from './suggest.ts';
import { renderTable } from './table.ts';

/** Exit codes that scripts can rely on. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** A program: its name and its tree. */
export interface Program {
  readonly name: string;
  readonly summary: string;
  readonly version: string;
  readonly root: CommandGroup;
  /** The next step after a failure that has none of its own: an answer of an API, an error of a file. */
  readonly advise?: (error: unknown) => string | undefined;
}

/** Runs `argv` (without node and script). Never throws. */
export async function runProgram(
  ctx: Context,
  program: Program,
  argv: readonly string[],
  environment: CommandEnvironment,
): Promise<number> {
  try {
    return await dispatch(ctx, program, argv, environment);
  } catch (error) {
    return reportFailure(ctx, program, error, environment);
  }
}

async function dispatch(
  ctx: Context,
  program: Program,
  argv: readonly string[],
  environment: CommandEnvironment,
): Promise<number> {
  const { io } = environment;
  if (argv[0] === '--version' || argv[0] === 'version') {
    io.out(`${program.name} ${program.version}\n`);
    return exitCodes.ok;
  }
  if (argv[0] === 'completion') {
    io.out(completionScript(program.name, argv[1]));
    return exitCodes.ok;
  }
  if (argv[0] === '__complete') {
    io.out((await complete(ctx, program.root, argv.slice(1), environment)).map((word) => `${word}\n`).join(''));
    return exitCodes.ok;
  }
  const found = await resolve(program, argv);
  if (found.kind === 'group') return showGroup(found.path, found.group, found.unknown, environment);
  const parsed = parseCommand(found.path, found.command, found.argv, environment.env);
  if (parsed.kind === 'help') {
    io.out(parsed.text);
    return exitCodes.ok;
  }
  return (await found.command.run(ctx, parsed.input, environment)) ?? exitCodes.ok;
}

type Found =
  | {
      readonly kind: 'command';
      readonly path: readonly string[];
      readonly command: Command;
      readonly argv: readonly string[];
    }
  | {
      readonly kind: 'group';
      readonly path: readonly string[];
      readonly group: CommandGroup;
      readonly unknown: string | undefined;
    };

async function resolve(program: Program, argv: readonly string[]): Promise<Found> {
  let group = program.root;
  const path = [program.name];
  for (const [index, word] of argv.entries()) {
    const entry = Object.hasOwn(group.commands, word) ? group.commands[word] : undefined;
    if (entry === undefined)
      return {
        kind: 'group',
        path,
        group,
        unknown: word === '--help' || word === '-h' || word === 'help' ? undefined : word,
      };
    path.push(word);
    if (!isGroup(entry)) return { kind: 'command', path, command: await entry.load(), argv: argv.slice(index + 1) };
    group = entry;
  }
  return { kind: 'group', path, group, unknown: undefined };
}

function showGroup(
  path: readonly string[],
  group: CommandGroup,
  unknown: string | undefined,
  { io }: CommandEnvironment,
): number {
  if (unknown !== undefined) {
    throw cliErrors.error(
      'UsageError',
      `${path.join(' ')}: unknown command ${JSON.stringify(unknown)}${didYouMean(unknown, Object.keys(group.commands))}`,
      {
        next: `See '${path.join(' ')} --help'.`,
      },
    );
  }
  const rows = Object.entries(group.commands).map(([name, entry]) => [`  ${name}`, entry.summary]);
  io.out(
    `Usage: ${path.join(' ')} COMMAND\n\n${group.summary}\n\n${renderTable(['Commands:', ''], rows)}\nUse '${path.join(' ')} COMMAND --help' for more.\n`,
  );
  return exitCodes.ok;
}

/** Prints the failure on stderr: what, why, and the next step. */
function reportFailure(ctx: Context, program: Program, error: unknown, { io }: CommandEnvironment): number {
  if (ctx.signal.aborted && hasCode(error, 'Cancelled')) {
    io.err('interrupted\n');
    return exitCodes.interrupted;
  }
  io.err(`error: ${describeError(error)}\n`);
  const advice = error instanceof CodedError ? `${error.next} (${error.code})` : program.advise?.(error);
  if (advice !== undefined) io.err(`next: ${advice}\n`);
  else if (!hasCode(error, (error as { code?: string }).code ?? ''))
    io.err(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
  return error instanceof CodedError && error.usage ? exitCodes.usage : exitCodes.failed;
}
