/** Writes a request's body with backpressure. */
import type { Writable } from 'node:stream';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { linkedSignal } from './guard.ts';
import type { Body } from './message.ts';

/** Starts to send; it stops when `out` closes. What the body throws is kept in the result and told to `failed`. */
export function sendBody(
  ctx: Context,
  body: Body,
  out: Writable,
  failed: (error: unknown) => void,
): { error?: unknown } {
  const state: { error?: unknown } = {};
  if (body === null || body instanceof Uint8Array) {
    out.end(body ?? undefined);
    return state;
  }
  const { controller, release } = linkedSignal(ctx.signal);
  out.once('close', () => {
    release();
    controller.abort();
  });
  pump({ ...ctx, signal: controller.signal }, body, out).catch((error: unknown) => {
    if (controller.signal.aborted) return;
    state.error = error;
    failed(error);
  });
  return state;
}

async function pump(ctx: Context, body: AsyncIterable<Uint8Array>, out: Writable): Promise<void> {
  const source = body[Symbol.asyncIterator]();
  try {
    for (
      let one = await untilAborted(ctx, source.next());
      one.done !== true;
      one = await untilAborted(ctx, source.next())
    ) {
      if (one.value.length > 0 && !out.write(one.value)) {
        await untilAborted(ctx, new Promise<void>((resolve) => out.once('drain', resolve)));
      }
    }
    out.end();
  } catch (error) {
    void source.return?.().then(undefined, () => undefined);
    throw error;
  }
}
