/** Breaking off an HTTP/2 stream so that nobody takes what was sent for the whole. */
import type { Http2Stream } from 'node:http2';
import { addAbortSignal } from 'node:stream';

/**
 * Resets the stream: with INTERNAL_ERROR for a failure, with CANCEL when the reader lost interest. Never call
 * `stream.close(code)` for this: Node then sends END_STREAM before the reset, and the other end sees a whole message.
 */
export function resetStream(stream: Http2Stream, why: 'failed' | 'cancelled'): void {
  if (stream.destroyed) return;
  stream.on('error', () => undefined);
  // Node sends CANCEL for its own AbortError alone, and this is the public way to one.
  if (why === 'cancelled') addAbortSignal(AbortSignal.abort(), stream);
  else stream.destroy(new Error('the stream was broken off'));
}
