/** What the fleet's controllers on the hub are given. */
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { Informers } from '@polyanthus/kube-runtime/informers';

/** One client, one informer factory and one registry for all of them. */
export interface HubEnvironment {
  readonly hubClient: KubeClient;
  readonly informers: Informers;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
}
