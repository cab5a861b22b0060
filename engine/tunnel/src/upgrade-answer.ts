/** A Transport's answer to an upgrade as a server's answer: the two sockets joined, or the refusal untouched. */
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerResponse, UpgradeResult } from '@polyanthus/ground-http/message';
import { relay } from '@polyanthus/ground-http/relay';

/** `onEnd` is called once when the joined sockets are over; for a refusal it is not called. */
export function answerUpgrade(
  ctx: Context,
  result: UpgradeResult,
  onEnd: () => void = () => undefined,
): ServerResponse {
  if (result.kind === 'refused') return result.response;
  const abandon = (): void => void result.socket.destroy();
  ctx.signal.addEventListener('abort', abandon, { once: true });
  result.socket.once('close', () => ctx.signal.removeEventListener('abort', abandon));
  if (ctx.signal.aborted) abandon();
  return {
    status: 101,
    headers: result.headers,
    body: null,
    upgrade: (socket, head) => {
      void relay(ctx, socket, result.socket, { headFromA: head, headFromB: result.head }).then(onEnd);
    },
  };
}
