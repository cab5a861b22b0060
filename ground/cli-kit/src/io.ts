/** The terminal as an interface, so that transcripts can be tested. */

export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Whether stderr is a terminal: progress is redrawn there, plain lines elsewhere. */
  readonly terminal: boolean;
  /** The whole of standard input, at most `limitBytes`. */
  readStdin(limitBytes: number): Promise<Uint8Array>;
}

/** Collects what a command prints. */
export interface RecordedIo extends Io {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** An Io for tests. */
export function recordIo(stdin = ''): RecordedIo {
  let out = '';
  let err = '';
  return {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    terminal: false,
    readStdin: () => Promise.resolve(new TextEncoder().encode(stdin)),
    stdout: () => out,
    stderr: () => err,
  };
}
