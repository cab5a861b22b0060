/** How work on hosts ends: claims that are given back, commands that an abort stops, reboots that happen once. By virtual clock. */
import type { Fate, TestExecutor } from '@polyanthus/engine-runbook/testing';
import { requestOf, type RunRequest } from '@polyanthus/engine-runbook/requests';
import { settled, startRun, testNamespace } from '@polyanthus/engine-runbook/testing';
import { playing, rebootCommand, type Play } from '@polyanthus/engine-hosts/testing';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noReboot } from './host-command.ts';
import { nodeMaintenance } from './node-maintenance.ts';
import { hostAccess, startMaintainedCluster, type MaintainedCluster } from './testing.ts';

let cluster: MaintainedCluster;
beforeEach(async () => {
  cluster = await startMaintainedCluster({ nodes: ['n1', 'n2', 'n3'], replicas: 6, minAvailable: 4 });
});
afterEach(() => cluster.close());

const begin = (parameters: Readonly<Record<string, unknown>>, name = 'r1'): Promise<Run> =>
  startRun(cluster.world, nodeMaintenance, { nodes: ['n1'], ...hostAccess, ...parameters }, {}, name);
const command = (play: Partial<Play> = {}): { readonly run: string } => ({
  run: playing({ mark: 'patch', seconds: 40, ...play }),
});
const finish = (executor: TestExecutor): Promise<Run> => settled(cluster.world.clock, executor.ended);
const carryOut = (identity: string, fate?: Fate): Promise<Run> => finish(cluster.execute(identity, fate));
const ask = (request: RunRequest): Promise<Run> =>
  requestOf(cluster.world.ctx, cluster.world.client, { namespace: testNamespace, name: 'r1' }, request);
const until = (condition: () => boolean | Promise<boolean>, what: string): Promise<void> =>
  cluster.world.clock.until(condition, what);
const machine = (node = 'n1'): ReturnType<MaintainedCluster['machine']> => cluster.machine(node);
/** An executor that has come as far as that the host does something. */
async function underWay(times = 1, node = 'n1'): Promise<TestExecutor> {
  const executor = cluster.execute('a');
  await until(() => machine(node).ran.length === times, 'the host to begin');
  return executor;
}

async function endedAs(run: Run, phase: string, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) expect(run.status?.message).toContain(text);
  expect(run.status?.phase).toBe(phase);
  expect(await cluster.claims()).toEqual([]);
}
const free = { cluster: '-', holder: 'work/r1' };

describe('the claim on a host', () => {
  it('is given back when a run has succeeded, and a later run takes it', async () => {
    await begin({ ...command(), nodes: ['n1', 'n2'] });
    await endedAs(await carryOut('a'), 'Succeeded');
    const before = machine().claim;
    expect([before, machine('n2').claim]).toMatchObject([free, free]);
    await begin(command({ mark: 'more' }), 'r2');
    await endedAs(await finish(cluster.execute('b', {}, { run: 'r2' })), 'Succeeded');
    expect(machine().claim).toMatchObject({ cluster: '-', holder: 'work/r2' });
    expect(machine().claim?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    expect(machine().ran).toEqual(['patch', 'more']);
  });

  it('is given back when a run was undone, and stays while one is red', async () => {
    await begin(command({ code: 3 }));
    expect((await carryOut('a')).status?.phase).toBe('Failed');
    expect(machine().claim?.cluster).not.toBe('-');
    await ask({ kind: 'undo', to: undefined });
    await endedAs(await carryOut('b'), 'Undone');
    expect(machine().claim).toMatchObject(free);
  });

  it('that cannot be given back leaves a run that has succeeded so, and is named', async () => {
    await begin(command());
    const executor = await underWay();
    await until(async () => (await cluster.cordoned()).length === 0, 'the uncordon');
    machine().trouble = 'unreachable';
    await endedAs(await finish(executor), 'Succeeded', 'not given back: step command/n1', 'n1: Connection refused');
    expect(machine().claim?.cluster).not.toBe('-');
  });

  it.each(['before', 'after'] as const)(
    'is given back by a successor of one killed %s that, and what the first sends late is refused',
    async (how) => {
      await begin(command());
      const victim = cluster.execute('victim', { whenCall: (call) => call === 'ssh release', how });
      await until(victim.struck, 'the release');
      victim.bury();
      await endedAs(await carryOut('heir'), 'Succeeded');
      expect(machine().claim).toMatchObject(free);
      expect(machine().ran).toEqual(['patch']);
    },
  );

  it('keeps out an executor that stood still as it began the command, while another one aborted the run', async () => {
    await begin(command());
    const stopped = cluster.execute('stopped', { whenCall: (call) => call === 'ssh start', how: 'stop' });
    await until(stopped.struck, 'the stop');
    await ask({ kind: 'abort' });
    await endedAs(await carryOut('heir'), 'Aborted');
    expect(machine().claim).toMatchObject(free);
    stopped.go();
    await expect(finish(stopped)).rejects.toMatchObject({ code: 'RunTakenOver' });
    await cluster.world.clock.advance(120_000);
    expect(machine().ran).toEqual([]);
  });
});

describe('an abort', () => {
  it.each([false, true])('stops the command that runs (one that ignores SIGTERM: %s)', async (ignoresTerm) => {
    await begin(command({ seconds: 600, ignoresTerm }));
    const executor = await underWay();
    await ask({ kind: 'abort' });
    await endedAs(await finish(executor), 'Aborted', 'what was done stays');
    expect(machine().claim).toMatchObject(free);
    expect(await cluster.cordoned()).toEqual(['n1']);
    const failed = executor.events.find((one) => one.step === 'command/n1' && one.event === 'Failed');
    expect(failed?.message).toMatch(ignoresTerm ? /was killed/ : /was stopped before its end/);
    await ask({ kind: 'resume' });
    const again = cluster.execute('b');
    await until(() => machine().ran.length === 2, 'the command of a run that goes on');
    again.bury();
  });

  it('of one whose executor is dead stops the command too', async () => {
    await begin(command({ seconds: 600 }));
    (await underWay()).bury();
    await ask({ kind: 'abort' });
    await endedAs(await carryOut('b'), 'Aborted');
    expect(machine().claim).toMatchObject(free);
  });

  it('after the command is no second thought on it', async () => {
    await begin({ ...command(), approve: true });
    const executor = await underWay();
    await until(() => executor.events.some((one) => one.step === 'command/n1' && one.event === 'Proven'), 'the proof');
    await ask({ kind: 'abort' });
    await endedAs(await finish(executor), 'Aborted');
    expect(machine().claim).toMatchObject(free);
    expect(executor.events.some((one) => one.event === 'Failed')).toBe(false);
  });

  it('is red while the host is away, says what may run there and how to end it, and is asked again', async () => {
    await begin(command({ seconds: 600 }));
    const executor = await underWay();
    machine().trouble = 'unreachable';
    await ask({ kind: 'abort' });
    const run = await finish(executor);
    expect(run.status?.phase).toBe('Failed');
    expect(run.status?.message).toMatch(
      /^asked to abort, but unit polyanthus-r1-\w{12}-command-\* may still run on host 10.1.0.1 \(to end it: systemctl stop '\S+-command-\*' there; .*Connection refused/,
    );
    expect(await cluster.claims()).not.toEqual([]);
    machine().trouble = 'none';
    await ask({ kind: 'abort' });
    await endedAs(await carryOut('b'), 'Aborted');
    expect(machine().claim).toMatchObject(free);
    expect(machine().ran).toEqual(['patch']);
  });
});

describe('a reboot', () => {
  const rebooted = async (run: Run): Promise<void> => {
    await endedAs(run, 'Succeeded');
    expect(machine()).toMatchObject({ ran: [rebootCommand], bootId: 'boot-2', claim: free });
    expect(await cluster.cordoned()).toEqual([]);
  };

  it('follows the command, and is proven by another boot', async () => {
    await begin({ ...command(), reboot: true });
    const executor = cluster.execute('a');
    await endedAs(await finish(executor), 'Succeeded');
    expect(machine()).toMatchObject({ ran: ['patch', rebootCommand], bootId: 'boot-2', claim: free });
    const proof = executor.events.find((one) => one.step === 'reboot/n1' && one.event === 'Proven');
    expect(proof?.message).toBe('boot boot-1 before, boot-2 now; Ready is True');
  });

  it.each(['before', 'after'] as const)('happens once where an executor is killed %s it is ordered', async (how) => {
    await begin({ reboot: true });
    const victim = cluster.execute('victim', { whenCall: (call) => call === 'ssh start', how });
    await until(victim.struck, 'the order');
    victim.bury();
    await rebooted(await carryOut('heir'));
  });

  it.each([24, 36, 48, 61])('happens once, wherever the executor is killed (%i)', async (at) => {
    await begin({ reboot: true });
    const victim = cluster.execute('victim', { at, how: at % 4 === 0 ? 'before' : 'after' });
    await until(victim.struck, `call ${at}`);
    victim.bury();
    await rebooted(await carryOut('heir'));
  });

  it('that the host has had from elsewhere since is not ordered', async () => {
    await begin({ reboot: true });
    const victim = cluster.execute('victim', { whenCall: (call) => call === 'ssh start', how: 'before' });
    await until(victim.struck, 'the order');
    victim.bury();
    machine().cutPower();
    machine().powerUp();
    const heir = cluster.execute('heir');
    await endedAs(await finish(heir), 'Succeeded');
    expect(machine()).toMatchObject({ ran: [], bootId: 'boot-2' });
  });

  it('from which the host does not come back is red; once it is up, it is found, and not done again', async () => {
    machine().rebootMs = 7_200_000;
    await begin({ reboot: true, rebootTimeout: 600_000 });
    const run = await carryOut('a');
    expect(run.status).toMatchObject({ phase: 'Failed' });
    expect(run.status?.message).toContain('reboot/n1');
    expect(await cluster.cordoned()).toEqual(['n1']);
    machine().powerUp();
    await ask({ kind: 'resume' });
    await rebooted(await carryOut('b'));
  });

  it('is waited for by an undo, before the node is taken back', async () => {
    await begin({ reboot: true });
    const executor = await underWay();
    await ask({ kind: 'undo', to: undefined });
    await until(() => executor.events.some((one) => one.step === 'cordon/n1' && one.event === 'Undone'), 'the undo');
    expect(machine().bootId).toBe('boot-2');
    await endedAs(await finish(executor), 'Undone');
  });

  it('by the command itself is refused before any node is touched', async () => {
    await begin({ run: 'apt-get -y upgrade && systemctl reboot' });
    const ended = await carryOut('a');
    expect(ended.status?.phase).toBe('Failed');
    expect(ended.status?.message).toContain(noReboot);
    expect(cluster.watched).toMatchObject({ cordonedMost: 0, evictions: 0 });
  });
});
