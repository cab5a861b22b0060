/**
 * What is sent to the far side. A fixed wrapper runs the script and then says its exit code behind a mark on stderr, so
 * that an answer of the script can never be taken for trouble of ssh (which is 255 too), nor the other way round.
 */
import { quoteWords } from './quote.ts';

const wrapper = `sh -s -- "$@"; printf '\\n%s %d\\n' "$0" "$?" >&2`;

/** The command line for a script that comes over stdin. */
export function scriptCommand(mark: string, args: readonly string[], become: boolean): string {
  return quoteWords([...(become ? ['sudo', '-n'] : []), 'sh', '-c', wrapper, mark, ...args]);
}

const uploadScript = `umask 077 && cat > "$1.$0" && chmod "$2" "$1.$0" && sync "$1.$0" && mv "$1.$0" "$1" && sync "$(dirname "$1")"; printf '\\n%s %d\\n' "$0" "$?" >&2`;

/** The command line that puts what comes over stdin into a file. */
export function uploadCommand(mark: string, path: string, mode: number, become: boolean): string {
  return quoteWords([
    ...(become ? ['sudo', '-n'] : []),
    'sh',
    '-c',
    uploadScript,
    mark,
    path,
    mode.toString(8).padStart(4, '0'),
  ]);
}

/** Takes the mark off: stderr without it, and the code; undefined when it never came. */
export function splitMark(
  stderr: Buffer,
  mark: string,
): { readonly code: number; readonly stderr: Buffer } | undefined {
  const at = stderr.lastIndexOf(`\n${mark} `);
  if (at < 0) return undefined;
  const code = Number(
    stderr
      .subarray(at + mark.length + 2)
      .toString('utf8')
      .trim(),
  );
  return Number.isInteger(code) ? { code, stderr: stderr.subarray(0, at) } : undefined;
}
