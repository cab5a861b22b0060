/** Commands and options as data: parser, help, completion and the reference page come from the same table. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Io } from './io.ts';

/** One option. `kind` decides how its text is read; `repeat` collects every occurrence into an array. */
export interface OptionSpec {
  /** Long name without dashes: `hub-url`. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly kind: 'string' | 'boolean' | 'integer' | 'duration';
  /** One sentence, lower-case start, no full stop. */
  readonly help: string;
  /** What the value is called in help: `NAME`. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly default?: string | boolean;
  /** Environment variable that gives the value when the option is absent. */
  readonly env?: string;
  readonly required?: boolean;
  readonly repeat?: boolean;
  /** Names a completer of the command (see Command.complete). */
  readonly complete?: string;
}

/** One positional argument; only the last may be optional or variadic. */
export interface ArgumentSpec {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  readonly variadic?: boolean;
  readonly complete?: string;
}

/** Values by option name; `duration` values are milliseconds. Read them with the functions of input.ts. */
export interface CommandInput {
  readonly options: Readonly<Record<string, string | boolean | number | readonly string[] | undefined>>;
  readonly args: readonly string[];
  /** What stands after `--`. */
  readonly rest: readonly string[];
}

/** What a handler gets besides its input. */
export interface CommandEnvironment {
  readonly io: Io;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Program and first arguments that start this program again, for plugins that call back; absent: it is on the PATH. */
  readonly self?: readonly string[];
}

/** Answers the exit code; undefined is 0. Operating errors are thrown. */
export type CommandHandler = (
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
) => Promise<number | undefined>;

/** A leaf of the command tree. */
export interface Command {
  readonly summary: string;
  /** Longer text for --help; paragraphs separated by empty lines. */
  readonly description?: string;
  readonly args?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly examples?: readonly string[];
  readonly run: CommandHandler;
  /** Candidates for completion, by the names that `complete` fields use; `input` is what was typed so far, unchecked. */
  readonly complete?: Readonly<
    Record<string, (ctx: Context, environment: CommandEnvironment, input: CommandInput) => Promise<readonly string[]>>
  >;
}

/** A node: commands below it, each loaded when it is needed, so that start-up costs only what runs. */
export interface CommandGroup {
  readonly summary: string;
  readonly commands: Readonly<Record<string, CommandEntry>>;
}

/** Groups are data; leaves load. */
export type CommandEntry = CommandGroup | { readonly summary: string; readonly load: () => Promise<Command> };

/** Whether the entry is a group. */
export function isGroup(entry: CommandEntry): entry is CommandGroup {
  return 'commands' in entry;
}
