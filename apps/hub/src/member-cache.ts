/** The hub's Memberships in memory, by name and by uid. */
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { GatewayMember } from '@polyanthus/engine-gateway/permission';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { createInformer, type Informer } from '@polyanthus/kube-runtime/informer';
import { joinKey } from '@polyanthus/kube-runtime/keys';

/** What gateway and tunnels ask of it. */
export interface MemberCache {
  readonly informer: Informer<Membership>;
  readonly byUid: (membershipUid: string) => Membership | undefined;
  /** For the gateway. */
  readonly find: (fleet: string, name: string) => GatewayMember | undefined;
  /** Namespaces that hold memberships, and `default`. */
  readonly fleets: () => readonly string[];
}

/** Makes it; the informer is yet to be started. */
export function createMemberCache(hubClient: KubeClient, metrics: MetricsRegistry): MemberCache {
  const informer = createInformer(hubClient, memberships, {
    indexes: { byUid: (one) => [one.metadata.uid ?? ''] },
    random: systemRandom,
    metrics,
  });
  return {
    informer,
    byUid: (uid) => informer.byIndex('byUid', uid)[0],
    find: (fleet, name) => {
      const found = informer.get(joinKey(fleet, name));
      return found === undefined
        ? undefined
        : { uid: found.metadata.uid ?? '', fleet, name, ceiling: found.spec?.ceiling ?? 'full' };
    },
    fleets: () => [...new Set(['default', ...informer.list().map((one) => one.metadata.namespace ?? '')])],
  };
}
