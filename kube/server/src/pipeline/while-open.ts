/** Long requests hold their place until their stream ends, however it ends. */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerResponse } from '@polyanthus/ground-http/message';

/** The answer, with `leave` called once: at the end of its body or socket, when the client goes, or when there is none. */
export async function whileOpen(
  ctx: Context,
  answer: Promise<ServerResponse>,
  leave: () => void,
): Promise<ServerResponse> {
  let left = false;
  const once = (): void => {
    if (left) return;
    left = true;
    ctx.signal.removeEventListener('abort', once);
    leave();
  };
  try {
    const response = await answer;
    const { body, upgrade } = response;
    const streams = upgrade !== undefined || (body !== null && !(body instanceof Uint8Array));
    if (!streams || ctx.signal.aborted) once();
    else ctx.signal.addEventListener('abort', once, { once: true });
    return {
      ...response,
      ...(body === null || body instanceof Uint8Array ? {} : { body: afterwards(body, once) }),
      ...(upgrade === undefined
        ? {}
        : { upgrade: (socket: Duplex, head: Uint8Array) => upgrade(socket.once('close', once), head) }),
    };
  } catch (error) {
    once();
    throw error;
  }
}

async function* afterwards(body: AsyncIterable<Uint8Array>, done: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    done();
  }
}
