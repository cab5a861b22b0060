/** A tiny subset of the shell's grammar: simple commands joined by `;`, `&&` and `||`, quotes, `$NAME`, and `>&2`. */

export interface ShellCommand {
  readonly words: readonly string[];
  readonly toStderr: boolean;
  /** What stands before it. */
  readonly after: ';' | '&&' | '||';
}

const scriptLengthMax = 8_192;
/** One token: an operator, white space, a quoted part, an escape, or a plain part. */
const tokenPattern = /(&&|\|\||;|\n)|(\s+)|(>&2|1>&2)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\;&|<>()`]+)/gy;

/** Undefined on what is not in the subset, rather than a guess. */
export function parseScript(text: string, env: Readonly<Record<string, string>>): ShellCommand[] | undefined {
  if (text.length > scriptLengthMax) return undefined;
  const commands: ShellCommand[] = [];
  let after: ShellCommand['after'] = ';';
  let words: string[] = [];
  let word: string | undefined;
  let toStderr = false;
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (): boolean => {
    endWord();
    if (words.length > 0) commands.push({ words, toStderr, after });
    const empty = words.length === 0;
    words = [];
    toStderr = false;
    return !empty || after === ';';
  };
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const match = tokenPattern.exec(text);
    if (match === null) return undefined;
    const [, operator, space, redirect, single, double, escaped, plain] = match;
    if (operator !== undefined) {
      if (!endCommand()) return undefined;
      after = operator === '\n' ? ';' : (operator as ShellCommand['after']);
    } else if (space !== undefined) endWord();
    else if (redirect !== undefined) toStderr = true;
    else
      word =
        (word ?? '') +
        (single ?? escaped ?? expand(double === undefined ? (plain ?? '') : double.replace(/\\(["\\$`])/g, '$1'), env));
  }
  return endCommand() ? commands : undefined;
}

function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (_all, braced: string | undefined, bare: string | undefined) => env[braced ?? bare ?? ''] ?? '',
  );
}
