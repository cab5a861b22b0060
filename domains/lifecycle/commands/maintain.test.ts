import { relative } from 'node:path';
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

const setup = () =>
  ({
    runbooks: [nodeMaintenance],
    options: [],
    open: () => Promise.resolve({ ...place, runsClient: world.client }),
  }) as unknown as Parameters<typeof maintainCommand>[0];

/** Makes a run with these options, and answers what it asks for. */
async function maintain(...argv: readonly string[]): Promise<Run['spec']> {
  const command = maintainCommand(setup());
  const parsed = parseCommand(['polyanthus', 'cluster', 'maintain'], command, ['n1', '--detach', ...argv], {});
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  await settled(world.clock, command.run(world.ctx, parsed.input, { io, env: {} }));
  const name = io.stdout().trim();
  return (await world.client.get(world.ctx, runs, { namespace: testNamespace, name })).spec;
}

it('asks for a command on hosts with files that are found from everywhere', async () => {
  const key = relative(process.cwd(), import.meta.filename);
  const { parameters } = await maintain(
    '--run=apt-get -y upgrade; echo "$HOME" `id`',
    '--ssh-user=ops',
    `--ssh-key=${key}`,
    `--known-hosts=${import.meta.filename}`,
  );
  expect(parameters).toMatchObject({
    run: 'apt-get -y upgrade; echo "$HOME" `id`',
    reboot: false,
    sshUser: 'ops',
    sshKey: import.meta.filename,
    knownHosts: import.meta.filename,
    runTimeout: 3_600_000,
  });
});

it('refuses files that are not there, and ways to hosts without anything to do on them', async () => {
  await expect(maintain('--run=true', '--known-hosts=/nowhere/known')).rejects.toMatchObject({
    code: 'UsageError',
    message: expect.stringMatching(/^--known-hosts: \/nowhere\/known cannot be read: ENOENT/) as string,
  });
  for (const unused of ['--ssh-key=k', '--known-hosts=k', '--ssh-secret=s'])
    await expect(maintain(unused)).rejects.toMatchObject({ code: 'UsageError' });
});

it('names every node that is not there, and what may have been meant', async () => {
  for (const odd of ['', '../pods', 'n1;id', 'n 1'])
    await expect(maintain(odd)).rejects.toMatchObject({ code: 'NodeUnknown' });
  await expect(maintain('n2', 'worker')).rejects.toThrow(
    'the cluster has no node "n2" (did you mean n1?), "worker"; there are n1',
  );
});

it('completes nodes, and none that stands there already', async () => {
  const complete = maintainCommand(setup()).complete?.['nodes'];
  expect(await complete?.(world.ctx, { io: recordIo(), env: {} }, { options: {}, args: [], rest: [] })).toEqual(['n1']);
});

it('asks for a reboot, with or without a command', async () => {
  const { parameters } = await maintain('--reboot', '--reboot-timeout=10m', `--known-hosts=${import.meta.filename}`);
  expect(parameters).toMatchObject({ reboot: true, rebootTimeout: 600_000 });
  expect(parameters).not.toHaveProperty('run');
  expect((await maintain('--run=true', '--reboot', `--known-hosts=${import.meta.filename}`)).parameters).toMatchObject({
    run: 'true',
    reboot: true,
  });
});

it('refuses a command that reboots its host, and a reboot without the keys of the hosts', async () => {
  await expect(
    maintain('--run=apt-get -y upgrade; reboot', `--known-hosts=${import.meta.filename}`),
  ).rejects.toMatchObject({
    code: 'UsageError',
    message: expect.stringContaining('--reboot') as string,
  });
  await expect(maintain('--reboot')).rejects.toMatchObject({ code: 'UsageError' });
});

it('refuses a command without the keys of the hosts', async () => {
  await expect(maintain('--run=true')).rejects.toMatchObject({ code: 'UsageError' });
});
