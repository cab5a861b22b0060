/** What both ends of a port-forward share (kubelet cri/streaming/portforward, client-go portforward). */

/** Over SPDY, and over SPDY whose bytes are binary messages of a WebSocket. */
export const portForwardProtocol = 'portforward.k8s.io';
export const tunnelledPortForwardProtocol = 'SPDY/3.1+portforward.k8s.io';

/** Stream headers, in lower case as SPDY carries them. */
export const portForwardHeaders = { streamType: 'streamtype', port: 'port', requestId: 'requestid' } as const;

/** The port of a stream's header, or undefined when it is none. */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 0xffff ? port : undefined;
}
