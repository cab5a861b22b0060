/** What hub and agent say to each other inside the HTTP/2 session, besides the requests themselves. */

/** `:authority` of a request for the member's API. The hub alone sets it. */
export const memberAuthority = 'member';
/** `:authority` of the control stream. */
export const controlAuthority = 'control';

/**
 * The trailer that ends every body. A body without it was cut off: HTTP/2's own END_STREAM cannot be trusted for that,
 * since Node sends it when a stream is closed with an error code in the middle, and shows it when a session dies.
 */
export const endTrailer = 'polyanthus-end';
/** Set on the answer to an extended CONNECT when the member switched protocols. */
export const upgradedHeader = 'polyanthus-upgraded';
/** The method of the upgrade request, since extended CONNECT has its own. */
export const methodHeader = 'polyanthus-method';
/** Marks a request of the hub itself, which reaches the member as the agent. */
export const probeHeader = 'polyanthus-probe';

/** Lines of JSON from the hub to the agent on the control stream. */
export type HubMessage =
  | { readonly type: 'drain'; readonly reason: string }
  | { readonly type: 'replaced'; readonly instance: string }
  | { readonly type: 'certificate'; readonly certificatePem: string }
  | { readonly type: 'renewalRefused'; readonly message: string };

/** And back. */
export type AgentMessage = { readonly type: 'ready' } | { readonly type: 'renew'; readonly csrPem: string };

/** A control line is at most this long; a longer one ends the tunnel. */
export const controlLineBytesMax = 64 * 1024;

/** One message as a line. */
export function encodeLine(message: HubMessage | AgentMessage): Uint8Array {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}
