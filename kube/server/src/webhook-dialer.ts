/** How the server reaches webhooks that are Services. */
import type { Context } from '@polyanthus/ground-base/context';

/** Host (a name or an address) and TCP port. */
export interface WebhookPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Where to connect for a Service of the cluster; undefined: to a ready endpoint, as if there were no dialer. TLS is verified
 * for the Service's name whatever the place. Throwing fails the call with the error's words.
 */
export type WebhookDialer = (
  ctx: Context,
  service: { readonly namespace: string; readonly name: string; readonly port: number },
) => Promise<WebhookPlace | undefined>;
