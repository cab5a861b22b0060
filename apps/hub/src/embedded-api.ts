/** The embedded API: over the unix socket it believes who the hub says asks, and rights are decided from informers. */
import { believingApi } from '@polyanthus/engine-gateway/hub-api';
import type { HubApi } from './hub-api.ts';
import { createAuthorize } from './hub-access.ts';
import { localClient, localTransport } from './local-client.ts';

/** The API of this process's own worker. */
export function embeddedApi(socketPath: string): HubApi {
  return {
    clientOf: (component) => localClient(socketPath, 'hub', `polyanthus:${component}`),
    callers: believingApi(localTransport(socketPath, 'hub')),
    authorizer: (_ctx, informers, onChange) => createAuthorize(informers, onChange),
  };
}
