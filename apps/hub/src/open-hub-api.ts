/** From an address to the hub's API: the one place that knows both kinds. */
import type { Context } from '@polyanthus/ground-base/context';
import type { HubApi, HubApiAddress } from './hub-api.ts';

/** Opens it; nothing is asked of it yet. Throws what is wrong with the kubeconfig. */
export async function openHubApi(
  ctx: Context,
  address: HubApiAddress,
  env: Readonly<Record<string, string | undefined>>,
): Promise<HubApi> {
  if (address.kind === 'embedded') return (await import('./embedded-api.ts')).embeddedApi(address.socketPath);
  return (await import('./cluster-api.ts')).clusterApi(ctx, address, env);
}
