/**
 * The planner on a large cluster: reading the snapshot's file, planning, memory; and the length of the predicted run with a
 * sliding window beside batches of the same size. `node bench/rehearsal/planner.ts [--nodes 1000] [--pods 30000] [--window 50]`
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeMaintenance } from '@polyanthus/domains-lifecycle/node-maintenance';
import { LearntTimes } from '@polyanthus/engine-rehearsal/times';
import { rehearse } from '@polyanthus/engine-rehearsal/rehearse';
import { nodeTargets } from '@polyanthus/engine-rehearsal/testing';
import { readParameters } from '@polyanthus/engine-runbook/parameters';
import { planOf, type PlannedStage } from '@polyanthus/engine-runbook/plan';
import { readSnapshot, writeSnapshot } from '@polyanthus/engine-sandbox/snapshot-file';
import { background } from '@polyanthus/ground-base/context';
import { largeSnapshot } from './cluster.ts';

interface Figures {
  readonly readMs: number;
  readonly planMs: number;
  readonly events: number;
  readonly evictions: number;
  readonly endMs: number;
  readonly findings: Readonly<Record<string, number>>;
  readonly rssMb: number;
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '30000' },
    window: { type: 'string', default: '50' },
    file: { type: 'string' },
    mode: { type: 'string', default: 'window' },
  },
});
const nodes = Number(values.nodes);
const window = Number(values.window);

/** Batches: a stage for each, and the next begins when all of the one before are back. */
function inBatches(stages: readonly PlannedStage[], size: number): readonly PlannedStage[] {
  return stages.flatMap((stage) =>
    stage.stage.id !== 'maintain'
      ? [stage]
      : Array.from({ length: Math.ceil(stage.lanes.length / size) }, (_, index) => ({
          ...stage,
          lanes: stage.lanes.slice(index * size, (index + 1) * size),
        })),
  );
}

async function child(file: string): Promise<Figures> {
  const ctx = background();
  const startMs = performance.now();
  const snapshot = await readSnapshot(ctx, file);
  const readMs = performance.now() - startMs;
  const names = snapshot.resources
    .filter((one) => one.kind === 'Node')
    .flatMap((one) => one.objects.map((node) => node.metadata.name ?? ''));
  const parameters = readParameters(nodeMaintenance.id, nodeMaintenance.parameters, { nodes: names, window });
  const targets = nodeTargets(names);
  const own = planOf(nodeMaintenance, parameters, targets);
  const stages = values.mode === 'batches' ? inBatches(own, window) : own;
  const planStart = performance.now();
  const { prediction, events } = rehearse({
    snapshot,
    runbook: nodeMaintenance,
    parameters,
    targets,
    stages,
    times: new LearntTimes(),
    madeAt: snapshot.takenAt,
  });
  const planMs = performance.now() - planStart;
  const findings: Record<string, number> = {};
  for (const { code } of prediction.findings) findings[code] = (findings[code] ?? 0) + 1;
  const rssMb = process.resourceUsage().maxRSS / 1024;
  return { readMs, planMs, events, evictions: prediction.evictions, endMs: prediction.endMs, findings, rssMb };
}

function inChild(file: string, mode: string): Promise<Figures> {
  const args = ['--nodes', values.nodes, '--window', values.window, '--file', file, '--mode', mode];
  return new Promise((resolve, reject) => {
    const forked = fork(import.meta.filename, args);
    forked.once('message', (figures) => resolve(figures as Figures));
    forked.once('exit', (code) =>
      code === 0 ? undefined : reject(new Error(`the child ended with ${code ?? 'a signal'}`)),
    );
  });
}

if (values.file !== undefined) {
  const figures = await child(values.file);
  process.send?.(figures);
  process.disconnect();
} else {
  const folder = mkdtempSync(join(tmpdir(), 'polyanthus-bench-'));
  const file = join(folder, 'snapshot');
  try {
    await writeSnapshot(background(), file, largeSnapshot(nodes, Number(values.pods)));
    process.stdout.write(
      `snapshot of ${values.nodes} nodes and ${values.pods} pods: ${Math.round(statSync(file).size / 2 ** 20)} MB\n`,
    );
    const sliding = await inChild(file, 'window');
    const batches = await inChild(file, 'batches');
    process.stdout.write(`${JSON.stringify({ sliding, batches }, undefined, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
