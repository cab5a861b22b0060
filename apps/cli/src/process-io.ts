/** The terminal of a real process. */
import type { Io } from '@polyanthus/ground-cli-kit/io';

/** Whether the locale of the terminal can show more than ASCII (POSIX: LC_ALL before LC_CTYPE before LANG). */
function showsUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((one) => one !== undefined && one !== '');
  // Nothing said is no reason to think little of a terminal of today.
  return locale === undefined || /utf-?8/i.test(locale);
}

const marks: Readonly<Record<string, string>> = { '✓': 'ok', '✗': 'FAILED', '…': '...', '↶': '<-' };

/** The marks of progress in letters; what users wrote stays as it is. */
function inAscii(text: string): string {
  return text.replaceAll(/[✓✗…↶]/g, (mark) => marks[mark] ?? mark);
}

/** Io over a process's standard streams. A reader that went away (`| head`) ends the process quietly. */
export function processIo(process: NodeJS.Process): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  // Nobody reads what it says any more; that is no reason to end.
  process.stderr.on('error', () => undefined);
  const plain = process.stderr.isTTY && !showsUtf8(process.env);
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(plain ? inAscii(text) : text),
    // What a dumb terminal cannot redraw is shown as where nobody looks on: in plain lines.
    terminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb',
    readStdin: async (limitBytes) => {
      const pieces: Buffer[] = [];
      let size = 0;
      for await (const piece of process.stdin as AsyncIterable<Buffer>) {
        size += piece.length;
        if (size > limitBytes) throw new Error(`standard input is larger than ${limitBytes} bytes`);
        pieces.push(piece);
      }
      return Buffer.concat(pieces);
    },
  };
}
