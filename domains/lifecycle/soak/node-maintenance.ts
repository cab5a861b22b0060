/**
 * node-maintenance killed at seeded requests of its executor, as a table: `npm run soak:node-maintenance [kills] [seed] [stride]`.
 * Twenty simulated nodes, a Deployment with a budget, a command on every host, a window of four nodes.
 */
import { writeFile } from 'node:fs/promises';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { playing } from '@polyanthus/engine-hosts/testing';
import { settled, startRun, type Fate } from '@polyanthus/engine-runbook/testing';
import type { HttpRequest } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { nodeMaintenance } from '../src/node-maintenance.ts';
import { hostAccess, startMaintainedCluster } from '../src/testing.ts';

const kills = Number(argv[2] ?? 500);
const seed = Number(argv[3] ?? 1);
/** 1: at every boundary of a step, 2: at every other one, and so on. */
const stride = Number(argv[4] ?? 1);
const window = 4;
const size = {
  nodes: Array.from({ length: 20 }, (_one, index) => `node-${index + 1}`),
  replicas: 60,
  minAvailable: 54,
};

interface Case {
  readonly struck: boolean;
  /** States of steps that the last executor stored. */
  readonly boundaries: number;
  readonly requests: number;
  readonly refused: number;
  readonly readyLeast: number;
  readonly cordonedMost: number;
  readonly defects: readonly string[];
}

/** A state of a step is stored: the boundaries between intent, action, proof and the next step. */
const isBoundary = ({ method, url }: HttpRequest): boolean => method === 'PUT' && /\/runsteps\/[^/]+\/status/.test(url);

/** One run in a cluster of its own; `at` absent: nobody is killed. */
async function maintain(fate?: Fate): Promise<Case> {
  const cluster = await startMaintainedCluster(size);
  const { clock } = cluster.world;
  const run = playing({ mark: 'patch', seconds: 20 });
  await startRun(cluster.world, nodeMaintenance, { nodes: size.nodes, window, run, ...hostAccess });
  let struck = false;
  let boundaries = 0;
  const tap = async (request: HttpRequest): Promise<undefined> => void (boundaries += isBoundary(request) ? 1 : 0);
  if (fate !== undefined) {
    const victim = cluster.execute('victim', fate);
    let ended = false;
    void victim.ended.finally(() => (ended = true)).catch(() => undefined);
    await clock.until(() => victim.struck() || ended, 'the kill');
    struck = victim.struck();
    victim.bury();
  }
  const heir = cluster.execute('heir', {}, { tap });
  const { status } = await settled(clock, heir.ended);
  const defects: string[] = [];
  if (status?.phase !== 'Succeeded') defects.push(`it ended ${status?.phase ?? ''}: ${status?.message ?? ''}`);
  for (const node of size.nodes) {
    const times = cluster.machine(node).ran.length;
    if (times !== 1) defects.push(`the command ran ${times} times on the host of ${node}`);
  }
  if ((await cluster.cordoned()).length > 0) defects.push('nodes stayed cordoned');
  if ((await cluster.claims()).length > 0) defects.push('nodes stayed claimed');
  const { refused, readyLeast, cordonedMost } = cluster.watched;
  if (readyLeast < size.minAvailable) defects.push(`${readyLeast} pods were ready, ${size.minAvailable} must be`);
  if (cordonedMost > window) defects.push(`${cordonedMost} nodes were out at once`);
  await cluster.close();
  return { struck, boundaries, requests: heir.requests(), refused, readyLeast, cordonedMost, defects };
}

const alone = await maintain();
const random = createSeededRandom(seed);
const cases: Case[] = [];
const defects = alone.defects.map((one) => `- nobody killed: ${one}`);
const kill = async (fate: Fate, where: string): Promise<void> => {
  const one = await maintain(fate);
  cases.push(one);
  defects.push(...one.defects.map((defect) => `- killed ${where}: ${defect}`));
};
for (let index = 0; index < kills; index++) {
  const at = Math.floor(random.float() * alone.requests);
  const how = random.float() < 0.5 ? 'before' : 'after';
  await kill({ at, how }, `${how} request ${at}`);
}
for (let boundary = 0; boundary < alone.boundaries; boundary += stride) {
  let seen = 0;
  await kill(
    { when: (request) => isBoundary(request) && seen++ === boundary, how: 'after' },
    `at boundary ${boundary}`,
  );
}
const text = `# node-maintenance, killed
\`npm run soak:node-maintenance ${kills} ${seed} ${stride}\`: ${size.nodes.length} simulated nodes, a Deployment of ${size.replicas} pods of which a budget keeps ${size.minAvailable} ready, a
window of ${window}, and a command on the host of every node. The executor is killed at ${kills} seeded points, before a call to the API or a host is sent or after it was
carried out, and when it has stored a state of a step (${alone.boundaries} boundaries, every ${stride === 1 ? 'one' : `${stride}th`}); a successor carries the run on.

| | |
|---|---|
| requests of a run that nobody killed | ${alone.requests} |
| runs with a kill, kills that struck | ${cases.length}, ${cases.filter((one) => one.struck).length} |
| runs that ended otherwise, left a cordon or a claim, or ran a command twice or never | ${defects.length} |
| evictions that the budget refused (all were waited for) | ${cases.reduce((sum, one) => sum + one.refused, alone.refused)} |
| fewest pods ready at any write | ${Math.min(alone.readyLeast, ...cases.map((one) => one.readyLeast))} |
| most nodes out at once | ${Math.max(alone.cordonedMost, ...cases.map((one) => one.cordonedMost))} |
${defects.join('\n')}`;
const table = fileURLToPath(new URL('../../../evidence/node-maintenance-kills.md', import.meta.url));
await writeFile(table, `${text.trimEnd()}\n`);
stdout.write(`${text}\n`);
process.exitCode = defects.length > 0 ? 1 : 0;
