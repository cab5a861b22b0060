/** Clients of this process's own API worker: over the unix socket, as a member of system:masters. */
import type { Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';

/** The plain way to one logical cluster; whoever uses it says who asks. */
export function localTransport(socketPath: string, cluster: string): Transport {
  return createTransport({ baseUrl: `http://polyanthus/clusters/${cluster}`, unixSocket: socketPath });
}

/** A client as `username`. */
export function localClient(socketPath: string, cluster: string, username: string): KubeClient {
  const headers = { 'x-remote-user': username, 'x-remote-group': 'system:masters' };
  return createClient(
    createTransport({
      baseUrl: `http://polyanthus/clusters/${cluster}`,
      unixSocket: socketPath,
      headers: () => Promise.resolve(headers),
    }),
  );
}
