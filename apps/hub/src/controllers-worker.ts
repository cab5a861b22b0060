/** Worker: what kube-controller-manager does for every logical cluster, the fleet's controllers, and the simulated nodes. */
import { workerData } from 'node:worker_threads';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { runFleetControllers } from './fleet-controllers.ts';
import { startSimulatedNodes } from './simulated-nodes.ts';
import { localClient } from './local-client.ts';
import { runWorker } from './worker-main.ts';
import type { ControllersWorkerData } from './worker-messages.ts';

const data = workerData as ControllersWorkerData;

await runWorker(async (ctx) => {
  const metrics = new MetricsRegistry();
  const runs: Promise<unknown>[] = [];
  for (const name of ['hub', ...data.served.map((one) => one.name)]) {
    const client = localClient(data.socketPath, name, 'system:kube-controller-manager');
    const clusterCaPem = data.secrets[name]?.caCertificatePem;
    runs.push(
      startControllers(ctx, {
        client,
        random: systemRandom,
        metrics,
        ...(clusterCaPem === undefined ? {} : { clusterCaPem }),
      }).stopped,
    );
  }
  const hubClient = localClient(data.socketPath, 'hub', 'polyanthus:fleet-controllers');
  runs.push(runFleetControllers(ctx, hubClient, metrics));
  for (const cluster of data.served) {
    const client = localClient(data.socketPath, cluster.name, 'system:kube-scheduler');
    runs.push(
      (await startSimulatedNodes(ctx, cluster, { client, secrets: data.secrets[cluster.name], metrics })).stopped,
    );
  }
  return { ports: {}, stop: async () => void (await Promise.allSettled(runs)) };
});
