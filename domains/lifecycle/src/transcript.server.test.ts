/** `runbook explain`, `watch` and `report` of one run on a simulated cluster by virtual clock: docs/runbook-transcript.md. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runbookCommands } from '@polyanthus/engine-runbook/commands/runbook';
import { settled, startRun, testNamespace } from '@polyanthus/engine-runbook/testing';
import { recordIo } from '@polyanthus/ground-cli-kit/io';
import { parseCommand } from '@polyanthus/ground-cli-kit/parse';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';
import { startMaintainedCluster, type MaintainedCluster } from './testing.ts';

let cluster: MaintainedCluster;
beforeAll(async () => {
  cluster = await startMaintainedCluster({ nodes: ['n1', 'n2', 'n3'], replicas: 6, minAvailable: 5 });
});
afterAll(() => cluster.close());

const commands = runbookCommands({
  runbooks: [nodeMaintenance],
  options: [],
  open: () =>
    Promise.resolve({
      runsClient: cluster.world.client,
      namespace: testNamespace,
      membership: undefined,
      again: '',
      hub: false,
      clusterClient: () => Promise.resolve(cluster.world.client),
      prepare: () => Promise.resolve(),
    }),
});

async function shown(name: string, ...argv: readonly string[]): Promise<string> {
  const command = commands[name];
  if (command === undefined) throw new Error(`no command ${name}`);
  const parsed = parseCommand(['polyanthus', 'runbook', name], command, argv, {});
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  await settled(cluster.world.clock, command.run(cluster.world.ctx, parsed.input, { io, env: {} }));
  return `${io.stderr()}${io.stdout()}`.trimEnd();
}

const section = (line: string, text: string): string => `\n## ${line}\n\`\`\`\n${text}\n\`\`\`\n`;

const file = fileURLToPath(new URL('../../../docs/runbook-transcript.md', import.meta.url));

/** Its lines without numbers, each once and in no order: when a look at the run falls between two steps is left to chance. */
function shapeOf(page: string): readonly string[] {
  const lines = page.split('\n').filter((line) => !/^(… |run r1: (Pending|Running|Waiting))/.test(line));
  const plain = lines.map((line) => line.replaceAll(/[0-9a-f]{64}/g, 'DIGEST').replaceAll(/\d+(?:\.\d+)?/g, '0'));
  return [...new Set(plain)].sort();
}

it('is what the page shows', async () => {
  const wanted = ['node-maintenance', '-p', 'nodes=n1,n2', '-p', 'approve=true'];
  const explained = await shown('explain', ...wanted);
  await startRun(cluster.world, nodeMaintenance, { nodes: ['n1', 'n2'], approve: true }, { approvals: ['handover'] });
  const running = cluster.execute('laptop_1');
  const watched = await shown('watch', 'r1');
  const run = await settled(cluster.world.clock, running.ended);
  expect(run.status?.phase).toBe('Succeeded');
  const reported = await shown('report', 'r1');
  const page = [
    '# A run, as it is seen',
    'Maintenance of two nodes of a simulated cluster of three (six pods, of which a budget keeps five), by virtual clock, its approvals',
    'given before. Made by `domains/lifecycle/src/transcript.server.test.ts`, which fails when a run looks otherwise (numbers and times',
    'apart); POLYANTHUS_WRITE_TRANSCRIPT=1 has it write the page.',
    section(`polyanthus runbook explain ${wanted.join(' ')}`, explained),
    section('polyanthus runbook watch r1 (piped)', watched),
    section('polyanthus runbook report r1', reported),
  ].join('\n');
  if (process.env['POLYANTHUS_WRITE_TRANSCRIPT'] === '1') await writeFile(file, page);
  expect(shapeOf(page)).toEqual(shapeOf(await readFile(file, 'utf8')));
});
