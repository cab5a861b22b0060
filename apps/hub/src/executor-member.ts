/** A member through the gateway's own door, as the account of a fleet: its token is asked for, and renewed before it ends. */
import type { Context } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { gatewayPath } from '@polyanthus/domains-fleet/membership-names';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { serviceAccounts } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { isStatus } from '@polyanthus/kube-objects/status';
import { executorAccount } from './executor-rights.ts';

const tokenSeconds = 3600;

/** Where the front listens. */
export interface FrontDoor {
  readonly url: string;
  readonly caPem: string;
}

type TokenRequest = KubeObject & { readonly status?: { readonly token?: string } };

/** Makes clients; a fleet's token is shared by all of its members. */
export function executorMembers(
  ctx: Context,
  hubClient: KubeClient,
  door: FrontDoor,
): (inner: Context, fleet: string, membership: string) => Promise<KubeClient> {
  const tokens = new Map<string, { readonly token: Promise<string>; readonly untilMs: number }>();
  const tokenOf = (fleet: string): Promise<string> => {
    const known = tokens.get(fleet);
    if (known !== undefined && known.untilMs > ctx.clock.monotonic()) return known.token;
    const token = requestToken(ctx, hubClient, fleet);
    tokens.set(fleet, { token, untilMs: ctx.clock.monotonic() + (tokenSeconds * 1000) / 2 });
    token.catch(() => tokens.delete(fleet));
    return token;
  };
  return async (_inner, fleet, membership) => {
    await tokenOf(fleet);
    return createClient(
      createTransport({
        baseUrl: `${door.url}${gatewayPath(fleet, membership)}`,
        tls: { ca: door.caPem },
        headers: async () => ({ authorization: `Bearer ${await tokenOf(fleet)}` }),
      }),
    );
  };
}

/** On a cluster the manifests make the account; an embedded hub makes it when it is first needed. */
async function requestToken(ctx: Context, hubClient: KubeClient, fleet: string): Promise<string> {
  const key = { namespace: fleet, name: executorAccount };
  const ask = async (): Promise<string> => {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: { expirationSeconds: tokenSeconds },
    };
    const answer = (await hubClient.createAt(ctx, serviceAccounts, key, 'token', body)) as TokenRequest;
    return answer.status?.token ?? '';
  };
  try {
    return await ask();
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: fleet, name: executorAccount } };
    await hubClient.create(ctx, serviceAccounts, account);
    return ask();
  }
}
