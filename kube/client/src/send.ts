/** One request to the API: headers, encoding, bounded waiting for an overloaded server, warnings. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { discardBody } from '@polyanthus/ground-http/guard';
import type { HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { retryAfterSeconds, warningsOf } from './answer.ts';

export interface SendOptions {
  readonly accept?: string;
  /** Encoded as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
}

/** What a client adds to every request. */
export interface Sender {
  readonly transport: Transport;
  readonly userAgent: string;
  /** Told each Warning header of an answer, with the request that caused it. */
  readonly onWarning: ((text: string, request: string) => void) | undefined;
  /** How often an answer with Retry-After is waited for, and how long at most each time. */
  readonly retry: { readonly attempts: number; readonly waitMaxMs: number };
}

/**
 * Sends and returns the answer, whatever its status. A 429, or a 5xx that has Retry-After, is sent again after that
 * time (client-go's rule), a bounded number of times; with a body given whole nothing was done by the refused request.
 */
export async function send(
  ctx: Context,
  sender: Sender,
  method: string,
  path: string,
  options: SendOptions = {},
): Promise<HttpResponse> {
  const headers = {
    accept: options.accept ?? 'application/json',
    'user-agent': sender.userAgent,
    ...(options.body === undefined ? {} : { 'content-type': options.contentType ?? 'application/json' }),
  };
  const body = options.body === undefined ? null : Buffer.from(JSON.stringify(options.body));
  for (let attempt = 1; ; attempt++) {
    const response = await sender.transport.request(ctx, { method, url: path, headers, body });
    for (const text of warningsOf(response.headers)) sender.onWarning?.(text, `${method} ${path}`);
    const waitMs = attempt < sender.retry.attempts ? refusedForMs(response) : undefined;
    if (waitMs === undefined || waitMs > sender.retry.waitMaxMs) return response;
    discardBody(response.body);
    ctx.log.debug('the server asked to come back later', { method, path, attempt, waitMs });
    await sleep(ctx, waitMs);
  }
}

function refusedForMs(response: HttpResponse): number | undefined {
  if (response.status !== 429 && response.status < 500) return undefined;
  const seconds = retryAfterSeconds(response.headers);
  return seconds === undefined ? undefined : seconds * 1000;
}
