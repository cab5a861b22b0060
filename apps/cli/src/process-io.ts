/** The terminal of a real process. */
import type { Io } from '@polyanthus/ground-cli-kit/io';

/** Io over a process's standard streams. A reader that went away (`| head`) ends the process quietly. */
export function processIo(process: NodeJS.Process): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  // Nobody reads what it says any more; that is no reason to end.
  process.stderr.on('error', () => undefined);
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal: process.stderr.isTTY,
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
