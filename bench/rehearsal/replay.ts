/**
 * The full replay: the same maintenance on a sandbox with controllers, scheduler and simulated nodes, by virtual clock.
 * `node bench/rehearsal/replay.ts [--nodes 200] [--pods 2000] [--window 20]`
 */
import { parseArgs } from 'node:util';
import { nodeMaintenance } from '@polyanthus/domains-lifecycle/node-maintenance';
import { replayMaintenance } from '@polyanthus/engine-rehearsal/replay';
import { rehearse } from '@polyanthus/engine-rehearsal/rehearse';
import { nodeTargets } from '@polyanthus/engine-rehearsal/testing';
import { LearntTimes } from '@polyanthus/engine-rehearsal/times';
import { readParameters } from '@polyanthus/engine-runbook/parameters';
import { createSandbox } from '@polyanthus/engine-sandbox/sandbox';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { pods } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { largeSnapshot } from './cluster.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '200' },
    pods: { type: 'string', default: '2000' },
    window: { type: 'string', default: '20' },
  },
});
const window = Number(values.window);
const snapshot = largeSnapshot(Number(values.nodes), Number(values.pods));
const names = snapshot.resources
  .filter((one) => one.kind === 'Node')
  .flatMap((one) => one.objects.map((node) => node.metadata.name ?? ''));

const plannedMs = performance.now();
const parameters = readParameters(nodeMaintenance.id, nodeMaintenance.parameters, { nodes: names, window });
const { prediction } = rehearse({
  snapshot,
  runbook: nodeMaintenance,
  parameters,
  targets: nodeTargets(names),
  times: new LearntTimes(),
  madeAt: snapshot.takenAt,
});
const planMs = performance.now() - plannedMs;

const clock = createTestClock();
const { ctx, cancel } = withCancel(background({ clock }));
const random = createSeededRandom(1);
const sandbox = await createSandbox(ctx, { random });
const startMs = performance.now();
const loaded = await sandbox.load(ctx, snapshot);
const { client } = sandbox;
const loadMs = performance.now() - startMs;
const controllers = startControllers(ctx, { client, random });
const simulation = startSimulation(ctx, {
  client,
  random,
  nodes: names.map((name, index) => ({
    name,
    zone: `z${index % 10}`,
    capacity: { cpu: '16', memory: '64Gi', pods: '110' },
  })),
  behaviours: [{ startDelayMs: 3000, readyDelayMs: 5000, shutdownMs: 5000 }],
});
const ready = async (): Promise<number> => (await client.listAll(ctx, pods)).items.filter(isReady).length;
await clock.advance(90_000);
const settleMs = performance.now() - startMs - loadMs;
const readyBefore = await ready();
const virtualMs = clock.now();
const rules = { force: false, ignoreDaemonSets: true, deleteEmptyDirData: false, skipWaitForDeleteTimeoutSeconds: 0 };
let done = false;
const replaying = replayMaintenance(ctx, {
  client,
  random,
  nodes: names,
  window,
  rules,
  timeoutMs: 3_590_000,
  backMs: 1_800_000,
});
const end = (): void => void (done = true);
replaying.then(end, end);
const cpu = process.cpuUsage();
const replayStartMs = performance.now();
await clock.until(() => done, 'the replay', 24 * 3_600_000);
const { evictions, blockedBy } = await replaying;
const replayMs = performance.now() - replayStartMs;
const { user, system } = process.cpuUsage(cpu);
const cpuMs = (user + system) / 1000;
process.stdout.write(
  `${JSON.stringify(
    {
      loaded: loaded.loaded,
      refused: loaded.refused.slice(0, 5),
      loadMs,
      settleMs,
      readyBefore,
      replay: { ms: replayMs, cpuMs, virtualMs: clock.now() - virtualMs, evictions, blockedBy },
      planner: {
        ms: planMs,
        endMs: prediction.endMs,
        evictions: prediction.evictions,
        findings: prediction.findings.length,
      },
      readyAfter: await ready(),
      rssMb: process.resourceUsage().maxRSS / 1024,
    },
    undefined,
    2,
  )}\n`,
);
cancel();
await Promise.all([controllers.stopped, simulation.stopped]);
await sandbox.close();
