/** Bodies over HTTP/2 streams, in both directions, whole or broken but never cut in silence. */
import type { Http2Stream } from 'node:http2';
import { httpErrors } from '@polyanthus/ground-http/errors';
import type { Body, HeaderValues } from '@polyanthus/ground-http/message';
import { WriteWindow } from '@polyanthus/ground-http/write-window';
import { fromRaw } from './h2.ts';
import { endTrailer } from './wire.ts';

/** How a reader behaves, for the limit on stalled streams; called around every piece handed out. */
export interface ReadPace {
  /** The reader has a piece and has not asked for the next one. */
  readonly handedOut: () => void;
  readonly askedAgain: () => void;
}

const noPace: ReadPace = { handedOut: () => undefined, askedAgain: () => undefined };

/** Whether the other end said that its body is complete; attach it in the same turn in which the stream appeared. */
export function watchForEnd(stream: Http2Stream): { complete: boolean } {
  const seen = { complete: false };
  stream.once('trailers', (_headers: unknown, _flags: number, raw?: readonly string[]) => {
    const trailers: HeaderValues = fromRaw(raw ?? []);
    seen.complete = trailers[endTrailer] !== undefined;
  });
  return seen;
}

/**
 * Reads the stream's body once. Throws ConnectionBroken when it ends without the end trailer. Stopping early resets the
 * stream at the hub; at the agent (`keep`) the answer may still be on its way, so that the stream stays.
 */
export async function* readStream(
  stream: Http2Stream,
  end: { readonly complete: boolean },
  options: { readonly keep?: boolean; readonly pace?: ReadPace } = {},
): AsyncGenerator<Uint8Array> {
  const pace = options.pace ?? noPace;
  pace.askedAgain();
  try {
    for await (const piece of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      pace.handedOut();
      yield piece;
      pace.askedAgain();
    }
  } catch (cause) {
    if (!end.complete) throw cutOff(cause);
  } finally {
    pace.askedAgain();
    if (options.keep !== true && !end.complete) resetStream(stream, new Error('the reader stopped'));
  }
  if (!end.complete) throw cutOff();
}

function cutOff(cause?: unknown): Error {
  return httpErrors.error('ConnectionBroken', 'the tunnel ended in the middle of a body', { cause });
}

/**
 * Writes a body and its end trailer; the stream was opened with `waitForTrailers`. Waits for the stream's window. When
 * the body throws or has not the length that was declared, the stream is reset and the error thrown on: HTTP/2 would take
 * a wrong length for a reason to end the session. When the other end resets, the body is stopped in silence.
 */
export async function writeStream(
  stream: Http2Stream,
  body: Exclude<Body, null>,
  declaredBytes?: number,
): Promise<void> {
  stream.once('wantTrailers', () => {
    if (!stream.destroyed && !stream.closed) stream.sendTrailers({ [endTrailer]: '1' });
  });
  const window = new WriteWindow(stream);
  let left = declaredBytes ?? Number.POSITIVE_INFINITY;
  try {
    for await (const piece of body instanceof Uint8Array ? [body] : body) {
      if (stream.destroyed || stream.closed) return;
      left -= piece.length;
      if (left < 0) throw wrongLength(declaredBytes);
      const full = window.write(piece);
      if (full !== undefined) await full;
    }
    if (declaredBytes !== undefined && left > 0) throw wrongLength(declaredBytes);
  } catch (error) {
    resetStream(stream, error);
    throw error;
  }
  if (!stream.destroyed && !stream.closed) stream.end();
}

function wrongLength(declaredBytes: number | undefined): Error {
  return httpErrors.error('ConnectionBroken', `a body has not the ${declaredBytes ?? 0} bytes that its head declared`);
}

/** Ends a stream so that the other end sees an error. `close(code)` would send END_STREAM before the reset. */
export function resetStream(stream: Http2Stream, reason: unknown): void {
  if (stream.destroyed) return;
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  stream.destroy(reason instanceof Error ? reason : new Error('the stream was given up', { cause: reason }));
}
