/** Worker: carries out the runs that were handed to the hub (run-executor.ts). */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { systemRandom } from '@polyanthus/ground-base/random';
import { nodeMaintenanceOn } from '@polyanthus/domains-lifecycle/node-maintenance';
import { executorMembers } from './executor-member.ts';
import { openHubApi } from './open-hub-api.ts';
import { runExecutor, type RunExecutorOptions } from './run-executor.ts';
import { keyPlace, openRunHosts, privateSsh, removeLeftKeys } from './run-hosts.ts';
import { runWorker } from './worker-main.ts';
import type { RunbookWorkerData } from './worker-messages.ts';

const { address, door } = workerData as RunbookWorkerData;

const place = keyPlace();
const searchPath = process.env['PATH'] ?? '';

function hasSsh(): boolean {
  return searchPath.split(delimiter).some((folder) => existsSync(join(folder, 'ssh')));
}

const openWith = privateSsh({ searchPath, random: systemRandom });
const hostsOf: NonNullable<RunExecutorOptions['hosts']> = (ctx, read) => openRunHosts(ctx, { read, place, openWith });

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

await runWorker(async (ctx) => {
  removeLeftKeys(place, process.pid, lives);
  const hubClient = (await openHubApi(ctx, address, process.env)).clientOf('runbook-executor');
  const running = runExecutor(ctx, {
    hubClient,
    memberClient: executorMembers(ctx, hubClient, door),
    runbooks: (open) => [nodeMaintenanceOn(open)],
    hosts: hasSsh() ? hostsOf : undefined,
    identity: `hub_${hostname()}_${systemRandom.uuid()}`,
    random: systemRandom,
  });
  return { ports: {}, stop: async () => void (await Promise.allSettled([running])) };
});
