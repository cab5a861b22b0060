/** Writing ahead of the wire. Node's own mark is emptied before it asks for more, which halves the rate of one stream. */
import type { Writable } from 'node:stream';

/** What may wait in one stream to be sent. */
const unsentBytesMax = 512 * 1024;

/** The part of a Writable that is used here; answers of HTTP/1.1 and HTTP/2 have it too. */
export interface WindowedWriter {
  readonly destroyed: boolean;
  write(piece: Uint8Array, sent: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** Writes to one stream up to a bound of bytes that have not left. */
export class WriteWindow {
  readonly #stream: WindowedWriter | Writable;
  #unsent = 0;
  #wake: (() => void) | undefined;

  constructor(stream: WindowedWriter | Writable) {
    this.#stream = stream;
    stream.once('close', () => this.#wake?.());
  }

  /** Undefined when there is room for more, else a promise that resolves when there is, or the stream is gone. */
  write(piece: Uint8Array): Promise<void> | undefined {
    this.#unsent += piece.length;
    this.#stream.write(piece, () => {
      this.#unsent -= piece.length;
      if (this.#unsent < unsentBytesMax) this.#wake?.();
    });
    if (this.#unsent < unsentBytesMax || this.#stream.destroyed) return undefined;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
