/** Dialling a streaming endpoint as kubectl does: WebSocket, and SPDY where a proxy lets no WebSocket through. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import type { HeaderValues, Transport } from '@polyanthus/ground-http/message';
import { dialWebSocket } from '@polyanthus/ground-http/websocket-handshake';

interface DialTarget {
  readonly url: string;
  readonly headers?: HeaderValues;
}

/** A target as the dialling functions take it, with one subprotocol. */
export function dialOf(target: DialTarget, protocol: string): DialTarget & { readonly protocols: readonly string[] } {
  const { url, headers } = target;
  return { url, protocols: [protocol], ...(headers === undefined ? {} : { headers }) };
}

/**
 * A WebSocket, or the answer that refused it. A proxy that answers WebSockets by something else counts as a refusal (502)
 * when another protocol may still pass.
 */
export async function dialWebSocketFirst(
  ctx: Context,
  transport: Transport,
  target: DialTarget & { readonly random: Random },
  way: { readonly protocol: string; readonly canFallBack: boolean },
): ReturnType<typeof dialWebSocket> {
  try {
    return await dialWebSocket(ctx, transport, target.random, dialOf(target, way.protocol));
  } catch (error) {
    if (!way.canFallBack || !hasCode(error, 'UnexpectedProtocol')) throw error;
    return { kind: 'refused', response: { status: 502, headers: {}, body: null } };
  }
}
