/** From a command's table and its argv to its input. commander does the reading; Go's single-dash long options work too. */
import { Command as Commander, CommanderError, Option } from 'commander';
import type { Command, CommandInput, OptionSpec } from './command.ts';
import { parseDurationMs } from './duration.ts';
import { cliErrors } from './errors.ts';

/** What parsing gave: input to run with, or a text to print (help). */
export type Parsed =
  | { readonly kind: 'run'; readonly input: CommandInput }
  | { readonly kind: 'help'; readonly text: string };

/** Parses `argv` (without the command's own name). Throws UsageError. */
export function parseCommand(
  path: readonly string[],
  command: Command,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Parsed {
  let help = '';
  const commander = toCommander(path, command, (text) => (help += text));
  const specs = command.options ?? [];
  const { own, rest } = splitRest(normalise(argv, specs));
  try {
    commander.parse(own, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.code === 'commander.helpDisplayed')
      return { kind: 'help', text: help };
    throw usage(path, error instanceof Error ? error.message.replace(/^error: /, '') : String(error));
  }
  return {
    kind: 'run',
    input: {
      options: readOptions(path, specs, commander.opts(), env),
      args: commander.processedArgs.flat().filter(isText),
      rest,
    },
  };
}

const isText = (value: unknown): value is string => typeof value === 'string';

function usage(path: readonly string[], message: string): Error {
  return cliErrors.error('UsageError', `${path.join(' ')}: ${message}`, { next: `See '${path.join(' ')} --help'.` });
}

function toCommander(path: readonly string[], command: Command, write: (text: string) => void): Commander {
  const commander = new Commander(path.join(' '));
  commander
    .description(command.description ?? command.summary)
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError(true);
  commander.configureOutput({ writeOut: write, writeErr: () => undefined });
  for (const arg of command.args ?? []) {
    const name = arg.variadic === true ? `${arg.name}...` : arg.name;
    commander.argument(arg.optional === true ? `[${name}]` : `<${name}>`, arg.help);
  }
  for (const spec of command.options ?? []) commander.addOption(toOption(spec));
  if (command.examples !== undefined)
    commander.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`);
  return commander;
}

function toOption(spec: OptionSpec): Option {
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  const value = spec.kind === 'boolean' ? '' : ` <${spec.value ?? 'VALUE'}>`;
  const notes = [
    spec.default === undefined || spec.default === false ? '' : `default ${String(spec.default)}`,
    spec.env === undefined ? '' : `env ${spec.env}`,
    spec.repeat === true ? 'may be repeated' : '',
  ].filter((note) => note !== '');
  const option = new Option(
    `${short}--${spec.name}${value}`,
    notes.length === 0 ? spec.help : `${spec.help} (${notes.join(', ')})`,
  );
  if (spec.choices !== undefined) option.choices([...spec.choices]);
  if (spec.repeat === true) option.argParser((next: string, before: string[] | undefined) => [...(before ?? []), next]);
  return option;
}

function readOptions(
  path: readonly string[],
  specs: readonly OptionSpec[],
  found: Record<string, unknown>,
  env: Readonly<Record<string, string | undefined>>,
): CommandInput['options'] {
  const out: Record<string, string | boolean | number | readonly string[] | undefined> = {};
  for (const spec of specs) {
    const raw = found[camel(spec.name)] ?? (spec.env === undefined ? undefined : env[spec.env]) ?? spec.default;
    if (raw === undefined) {
      if (spec.required === true) throw usage(path, `required option --${spec.name} is missing`);
      continue;
    }
    out[spec.name] = Array.isArray(raw) ? raw.map(String) : readValue(path, spec, raw as string | boolean);
  }
  return out;
}

function readValue(path: readonly string[], spec: OptionSpec, raw: string | boolean): string | boolean | number {
  if (spec.kind === 'boolean') return raw === true || raw === 'true' || raw === '1';
  const text = String(raw);
  if (spec.kind === 'integer') {
    if (!/^-?\d{1,15}$/.test(text)) throw usage(path, `--${spec.name}: ${JSON.stringify(text)} is not a whole number`);
    return Number(text);
  }
  if (spec.kind === 'duration') {
    const ms = parseDurationMs(text);
    if (ms === undefined)
      throw usage(path, `--${spec.name}: ${JSON.stringify(text)} is not a duration such as 30s or 1h30m`);
    return ms;
  }
  if (spec.choices !== undefined && !spec.choices.includes(text))
    throw usage(path, `--${spec.name}: ${JSON.stringify(text)} is not one of ${spec.choices.join(', ')}`);
  return text;
}

const camel = (name: string): string => name.replaceAll(/-([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());

/** `-path=a` and `-clusters x` become `--path=a` and `--clusters x` for names of the table; `--flag=true` becomes `--flag`. */
function normalise(argv: readonly string[], specs: readonly OptionSpec[]): readonly string[] {
  const out: string[] = [];
  for (const [index, token] of argv.entries()) {
    if (token === '--') return [...out, ...argv.slice(index)];
    const match = /^--?([A-Za-z0-9][A-Za-z0-9-]+)(=.*)?$/s.exec(token);
    const spec = specs.find((one) => one.name === match?.[1]);
    if (match === null || spec === undefined) out.push(token);
    else if (spec.kind === 'boolean' && match[2] !== undefined) {
      if (match[2] === '=true' || match[2] === '=1') out.push(`--${spec.name}`);
      else if (match[2] !== '=false' && match[2] !== '=0') out.push(token);
    } else out.push(`--${spec.name}${match[2] ?? ''}`);
  }
  return out;
}

function splitRest(argv: readonly string[]): { readonly own: string[]; readonly rest: readonly string[] } {
  const at = argv.indexOf('--');
  return at < 0 ? { own: [...argv], rest: [] } : { own: argv.slice(0, at), rest: argv.slice(at + 1) };
}
