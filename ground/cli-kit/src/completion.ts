/** Shell completion: a small script per shell that asks the program itself (`__complete WORDS…`). */
import type { Context } from '@polyanthus/ground-base/context';
import { isGroup, type Command, type CommandEnvironment, type CommandGroup } from './command.ts';
import { cliErrors } from './errors.ts';

const scripts: Readonly<Record<string, (name: string) => string>> = {
  bash: (name) =>
    `_${name}() { local IFS=$'\\n'; COMPREPLY=($(${name} __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)); }\ncomplete -o default -F _${name} ${name}\n`,
  zsh: (name) =>
    `#compdef ${name}\n_${name}() { local -a found; found=(\${(f)"$(${name} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"}); compadd -a found; }\ncompdef _${name} ${name}\n`,
  fish: (name) =>
    `complete -c ${name} -f -a '(${name} __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n`,
};

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
    const entry = Object.hasOwn(group.commands, word) ? group.commands[word] : undefined;
    if (entry === undefined) return [];
    if (!isGroup(entry)) return completeCommand(ctx, await entry.load(), words.slice(index + 1), environment);
    group = entry;
  }
  return Object.keys(group.commands).filter((name) => name.startsWith(last));
}

async function completeCommand(
  ctx: Context,
  command: Command,
  words: readonly string[],
  environment: CommandEnvironment,
): Promise<readonly string[]> {
  const last = words.at(-1) ?? '';
  const options = command.options ?? [];
  if (last.startsWith('-')) return options.map((option) => `--${option.name}`).filter((name) => name.startsWith(last));
  const before = words.at(-2) ?? '';
  const option = options.find((one) => before === `--${one.name}` || before === `-${one.short ?? ''}`);
  const positional = words.slice(0, -1).filter((word) => !word.startsWith('-')).length;
  const completer =
    option === undefined ? (command.args?.[positional] ?? command.args?.at(-1))?.complete : option.complete;
  const choices =
    option?.choices ??
    (completer === undefined ? [] : ((await command.complete?.[completer]?.(ctx, environment)) ?? []));
  return choices.filter((choice) => choice.startsWith(last));
}
