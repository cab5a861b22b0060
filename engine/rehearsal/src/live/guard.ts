/** A client that cannot change a cluster: whatever is no read and no dry run is not sent. */
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';

/** The same client, held to get, list, watch and dry runs. */
export function harmless(client: KubeClient): KubeClient {
  const inner = client.transport;
  const request: Transport['request'] = (ctx, message) => {
    const { method, url } = message;
    const query = new URLSearchParams(url.split('?')[1] ?? '');
    if (method !== 'GET' && query.get('dryRun') !== 'All')
      return Promise.reject(new Error(`a rehearsal does not send ${method} ${url} to a live cluster`));
    return inner.request(ctx, message);
  };
  return createClient({ ...inner, request });
}
