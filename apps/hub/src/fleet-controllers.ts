/** The fleet's controllers on the hub's own API, wherever that is. */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import {
  gatewayRightControllerSpec,
  runGatewayRightController,
} from '@polyanthus/domains-fleet/gateway-right-controller';
import {
  bindingOwnerControllerSpec,
  runBindingOwnerController,
} from '@polyanthus/domains-fleet/binding-owner-controller';
import { manifestControllerSpec, runManifestController } from '@polyanthus/domains-fleet/manifest-controller';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { ControllerSpec } from '@polyanthus/kube-runtime/controller';
import { createInformers } from '@polyanthus/kube-runtime/informers';

/** All of them as data: what they read, write and may. */
export const fleetControllerSpecs: readonly ControllerSpec[] = [
  manifestControllerSpec,
  gatewayRightControllerSpec,
  bindingOwnerControllerSpec,
];

/** Runs all until the context is cancelled. */
export async function runFleetControllers(
  ctx: Context,
  hubClient: KubeClient,
  metrics: MetricsRegistry,
): Promise<void> {
  const informers = createInformers(hubClient, { random: systemRandom, metrics });
  const env = { hubClient, informers, random: systemRandom, metrics };
  const runs = [
    runManifestController(ctx, env),
    runGatewayRightController(ctx, env),
    runBindingOwnerController(ctx, env),
  ];
  informers.start(ctx);
  await Promise.all(runs);
}
