/** Worker: carries out the runs that were handed to the hub (run-executor.ts). */
import { hostname } from 'node:os';
import { workerData } from 'node:worker_threads';
import { systemRandom } from '@polyanthus/ground-base/random';
import { nodeMaintenance } from '@polyanthus/domains-lifecycle/node-maintenance';
import { executorMembers } from './executor-member.ts';
import { openHubApi } from './open-hub-api.ts';
import { runExecutor } from './run-executor.ts';
import { runWorker } from './worker-main.ts';
import type { RunbookWorkerData } from './worker-messages.ts';

const { address, door } = workerData as RunbookWorkerData;

await runWorker(async (ctx) => {
  const hubClient = (await openHubApi(ctx, address, process.env)).clientOf('runbook-executor');
  const running = runExecutor(ctx, {
    hubClient,
    memberClient: executorMembers(ctx, hubClient, door),
    runbooks: [nodeMaintenance],
    identity: `hub_${hostname()}_${systemRandom.uuid()}`,
    random: systemRandom,
  });
  return { ports: {}, stop: async () => void (await Promise.allSettled([running])) };
});
