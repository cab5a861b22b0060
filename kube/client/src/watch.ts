/** The watch stream: one JSON event a line. */
import { httpErrors } from '@polyanthus/ground-http/errors';
import type { Body } from '@polyanthus/ground-http/message';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { StatusError, type Status } from '@polyanthus/kube-objects/status';
import type { WatchEvent } from './client.ts';
import { clientErrors } from './errors.ts';

/** One event at most: etcd's own limit for an object is 1.5 MiB, and managedFields and encoding add to it. */
export const watchLineBytesMax = 16 * 1024 * 1024;

const newline = 0x0a;
const types: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/**
 * Decodes a watch body; how the bytes are cut into pieces makes no difference. Throws StatusError for an ERROR event,
 * AnswerNotUnderstood for what is not an event, WatchLineTooLong, and ConnectionBroken when the end is inside a line.
 */
export async function* decodeWatch<T extends KubeObject>(
  body: Body,
  lineBytesMax = watchLineBytesMax,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(body, lineBytesMax)) {
    if (line.length > 0) yield decodeEvent<T>(line.toString('utf8'));
  }
}

function decodeEvent<T extends KubeObject>(text: string): WatchEvent<T> {
  let event: { type?: unknown; object?: unknown };
  try {
    event = JSON.parse(text) as typeof event;
  } catch (cause) {
    throw clientErrors.error(
      'AnswerNotUnderstood',
      `a watch sent a line of ${text.length} characters that is not JSON`,
      { cause },
    );
  }
  const { type, object } = event ?? {};
  if (type === 'ERROR' && isStatus(object)) throw new StatusError(object);
  if (typeof type !== 'string' || !types.has(type) || typeof object !== 'object' || object === null) {
    throw clientErrors.error(
      'AnswerNotUnderstood',
      `a watch sent an event of the type ${JSON.stringify(type)} that has no meaning`,
    );
  }
  return event as WatchEvent<T>;
}

function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && typeof (value as Status).code === 'number';
}

async function* lines(body: Body, limit: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces(body)) {
    let from = 0;
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
      checkLength(size + at - from, limit);
      const rest = piece.subarray(from, at);
      yield held.length === 0 ? rest : Buffer.concat([...held, rest]);
      held = [];
      size = 0;
      from = at + 1;
    }
    if (from < piece.length) {
      held.push(piece.subarray(from));
      size += piece.length - from;
      checkLength(size, limit);
    }
  }
  if (size > 0) throw httpErrors.error('ConnectionBroken', `a watch ended inside an event, after ${size} bytes of it`);
}

async function* pieces(body: Body): AsyncGenerator<Buffer> {
  if (body === null) return;
  if (body instanceof Uint8Array) yield buffer(body);
  else for await (const piece of body) yield buffer(piece);
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checkLength(bytes: number, limit: number): void {
  if (bytes > limit) throw clientErrors.error('WatchLineTooLong', `a watch sent an event of more than ${limit} bytes`);
}
