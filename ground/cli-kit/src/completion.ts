/** Shell completion: a small script per shell that asks the program itself (`__complete WORDS…`). */
import type { Context } from '@polyanthus/ground-base/context';
import {
  isGroup,
  type Command,
  type CommandEnvironment,
  type CommandGroup,
  type CommandInput,
  type OptionSpec,
} from './command.ts';
import { cliErrors } from './errors.ts';

const scripts: Readonly<Record<string, (name: string) => string>> = {
  bash: (name) =>
    `_${name}() { local IFS=$'\\n'; COMPREPLY=($(${name} __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)); [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace; return 0; }\ncomplete -o default -F _${name} ${name}\n`,
  zsh: (name) =>
    `#compdef ${name}\n_${name}() { local -a found; found=(\${(f)"$(${name} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"}); compadd -a found; }\ncompdef _${name} ${name}\n`,
  fish: (name) =>
    `complete -c ${name} -f -a '(${name} __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n`,
};

/** What the program itself knows beside its tree. */
const ownWords = ['completion', 'version', 'help'];

/** The script for a shell. Throws UsageError for an unknown one. */
export function completionScript(name: string, shell: string | undefined): string {
  const script = Object.hasOwn(scripts, shell ?? '') ? scripts[shell ?? ''] : undefined;
  if (script === undefined)
    throw cliErrors.error('UsageError', `completion: expected one of ${Object.keys(scripts).join(', ')}`);
  return script(name);
}

/** Candidates for the last word of `words`. */
export async function complete(
  ctx: Context,
  root: CommandGroup,
  words: readonly string[],
  environment: CommandEnvironment,
): Promise<readonly string[]> {
  const last = words.at(-1) ?? '';
  let group = root;
  for (const [index, word] of words.slice(0, -1).entries()) {
    if (index === 0 && word === 'completion') return Object.keys(scripts).filter((shell) => shell.startsWith(last));
    const entry = Object.hasOwn(group.commands, word) ? group.commands[word] : undefined;
    if (entry === undefined) return [];
    if (!isGroup(entry)) return completeCommand(ctx, await entry.load(), words.slice(index + 1), environment);
    group = entry;
  }
  const names = [...Object.keys(group.commands), ...(group === root ? ownWords : [])];
  return names.filter((name) => name.startsWith(last));
}

async function completeCommand(
  ctx: Context,
  command: Command,
  words: readonly string[],
  environment: CommandEnvironment,
): Promise<readonly string[]> {
  const options = command.options ?? [];
  const { option, begun, kept, input } = readWords(options, words, environment.env);
  if (option === undefined && begun.startsWith('-'))
    return [...options.map(({ name }) => `--${name}`), '--help'].filter((name) => name.startsWith(begun));
  const argument = command.args?.[input.args.length] ?? lastVariadic(command);
  const completer = option === undefined ? argument?.complete : option.complete;
  const choices =
    option?.choices ??
    (completer === undefined ? [] : ((await command.complete?.[completer]?.(ctx, environment, input)) ?? []));
  const taken: ReadonlySet<string> = new Set(option === undefined ? input.args : []);
  return choices.filter((one) => one.startsWith(begun) && !taken.has(one)).map((one) => `${kept}${one}`);
}

function lastVariadic(command: Command): { readonly complete?: string } | undefined {
  const last = command.args?.at(-1);
  return last?.variadic === true ? last : undefined;
}

interface TypedWords {
  /** Whose value is being typed. */
  readonly option: OptionSpec | undefined;
  /** The beginning of what is being typed. */
  readonly begun: string;
  /** What the shell takes for part of the same word and wants to see again. */
  readonly kept: string;
  /** What stands before. */
  readonly input: CommandInput;
}

/** Values are texts here, as they were typed: nothing is checked while somebody types. */
function readWords(specs: readonly OptionSpec[], words: readonly string[], env: CommandEnvironment['env']): TypedWords {
  const options: Record<string, string | boolean | readonly string[]> = {};
  for (const { name, env: variable, default: value } of specs) {
    const given = (variable === undefined ? undefined : env[variable]) ?? value;
    if (given !== undefined) options[name] = given;
  }
  const args: string[] = [];
  let open: OptionSpec | undefined;
  const take = (spec: OptionSpec, value: string): void => {
    const before = options[spec.name];
    options[spec.name] = spec.repeat === true ? [...(Array.isArray(before) ? before : []), value] : value;
  };
  for (const [index, word] of words.slice(0, -1).entries()) {
    // bash cuts `--name=value` into three words.
    if (word === '=' && open !== undefined) continue;
    const [, name = '', value] = /^--?([A-Za-z][A-Za-z0-9-]*)(?:=(.*))?$/s.exec(word) ?? [];
    const spec = specs.find((one) => name !== '' && (one.name === name || one.short === name));
    if (open !== undefined) {
      take(open, word);
      open = undefined;
    } else if (spec?.kind === 'boolean') options[spec.name] = value !== 'false';
    else if (spec !== undefined && value !== undefined) take(spec, value);
    else if (spec !== undefined) open = spec;
    else if (!word.startsWith('-') && words[index] !== '=') args.push(word);
  }
  const input = { options, args, rest: [] };
  const last = words.at(-1) ?? '';
  if (open !== undefined) return { option: open, begun: last === '=' ? '' : last, kept: '', input };
  const [kept, name] = /^--([A-Za-z][A-Za-z0-9-]*)=/.exec(last) ?? [];
  const option = specs.find((one) => one.name === name);
  return option === undefined || kept === undefined
    ? { option: undefined, begun: last, kept: '', input }
    : { option, begun: last.slice(kept.length), kept, input };
}
