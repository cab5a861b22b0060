import { settled, startWorld, testNamespace, type World } from '@polyanthus/engine-runbook/testing';
import { recordIo } from '@polyanthus/ground-cli-kit/io';
import { parseCommand } from '@polyanthus/ground-cli-kit/parse';
import { nodes } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeMaintenance } from '../src/node-maintenance.ts';
import { maintainCommand } from './maintain.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld(0);
  await world.client.create(world.ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
});
afterAll(() => world.close());

const place = {
  membership: undefined,
  namespace: testNamespace,
  clusterClient: () => Promise.resolve(world.client),
  prepare: () => Promise.resolve(),
};

/** Makes a run with these options, and answers what it asks for. */
async function maintain(...argv: readonly string[]): Promise<Run['spec']> {
  const setup = {
    runbooks: [nodeMaintenance],
    options: [],
    open: () => Promise.resolve({ ...place, runsClient: world.client }),
  } as unknown as Parameters<typeof maintainCommand>[0];
  const command = maintainCommand(setup);
  const parsed = parseCommand(['polyanthus', 'cluster', 'maintain'], command, ['n1', '--detach', ...argv], {});
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  await settled(world.clock, command.run(world.ctx, parsed.input, { io, env: {} }));
  const name = io.stdout().trim();
  return (await world.client.get(world.ctx, runs, { namespace: testNamespace, name })).spec;
}

it('asks for a command on hosts with files that are found from everywhere', async () => {
  const { parameters } = await maintain(
    '--run=reboot now',
    '--ssh-user=ops',
    '--ssh-key=k',
    '--known-hosts=/etc/known',
  );
  expect(parameters).toMatchObject({
    run: 'reboot now',
    sshUser: 'ops',
    knownHosts: '/etc/known',
    runTimeout: 3_600_000,
  });
  expect(parameters?.['sshKey']).toMatch(/^\/.*\/k$/);
});

it('asks for nothing on hosts without a command', async () => {
  expect((await maintain('--ssh-key=k')).parameters).not.toHaveProperty('knownHosts');
});

it('refuses a command without the keys of the hosts', async () => {
  await expect(maintain('--run=true')).rejects.toMatchObject({ code: 'UsageError' });
});
