/** Reading bodies whole, with a bound. */
import { httpErrors } from './errors.ts';
import type { Body } from './message.ts';

/** The whole body in one piece; more than `limit` bytes is BodyTooLarge and the rest is not read. */
export async function readBody(body: Body, limit: number): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  if (body instanceof Uint8Array) {
    if (body.length > limit) throw tooLarge(limit);
    return body;
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > limit) throw tooLarge(limit);
    pieces.push(piece);
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, size);
}

function tooLarge(limit: number): Error {
  return httpErrors.error('BodyTooLarge', `the body is larger than ${limit} bytes`);
}
