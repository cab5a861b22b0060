/** Worker of a replica on a cluster: the fleet's controllers, while this replica leads. */
import { workerData } from 'node:worker_threads';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { runWhenLeading } from '@polyanthus/kube-runtime/leader';
import { runFleetControllers } from './fleet-controllers.ts';
import { openHubApi } from './open-hub-api.ts';
import { runWorker } from './worker-main.ts';
import type { LeaderWorkerData } from './worker-messages.ts';

const data = workerData as LeaderWorkerData;

/** A replica that lost the lead, to a slow API for instance, stands for election again. */
async function leadForEver(ctx: Context, metrics: MetricsRegistry): Promise<void> {
  const hubApi = await openHubApi(ctx, data.address, process.env);
  const client = hubApi.clientOf('fleet-controllers');
  const { namespace, replica } = data;
  const election = {
    client,
    namespace,
    name: 'polyanthus-hub-controllers',
    identity: `${replica}_${systemRandom.uuid()}`,
    random: systemRandom,
    metrics,
  };
  while (!ctx.signal.aborted) {
    try {
      await runWhenLeading(ctx, election, (leading) => runFleetControllers(leading, client, metrics));
    } catch (error) {
      if (!hasCode(error, 'LeadershipLost')) throw error;
      ctx.log.warn('another replica leads now', { error });
    }
  }
}

await runWorker(async (ctx) => {
  const running = leadForEver(ctx, new MetricsRegistry());
  return { ports: {}, stop: async () => void (await Promise.allSettled([running])) };
});
