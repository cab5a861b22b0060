/** The command on the hosts of nodes: once for each node, whatever happens to executors and hosts. By virtual clock. */
import type { Fate, TestExecutor } from '@polyanthus/engine-runbook/testing';
import { requestOf, type RunRequest } from '@polyanthus/engine-runbook/requests';
import { settled, startRun, testNamespace } from '@polyanthus/engine-runbook/testing';
import { playing, type Play } from '@polyanthus/engine-hosts/testing';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { nodes } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';
import { hostAccess, startMaintainedCluster, type MaintainedCluster } from './testing.ts';

const size = { nodes: ['n1', 'n2', 'n3'], replicas: 6, minAvailable: 4 };
let cluster: MaintainedCluster;
beforeEach(async () => {
  cluster = await startMaintainedCluster(size);
});
afterEach(() => cluster.close());

const work: Play = { mark: 'patch', seconds: 40, out: 'done' };
const start = (more: Readonly<Record<string, unknown>> = {}, play: Play = work, name = 'r1'): Promise<Run> =>
  startRun(cluster.world, nodeMaintenance, { nodes: ['n1'], run: playing(play), ...hostAccess, ...more }, {}, name);
const finish = (executor: TestExecutor): Promise<Run> => settled(cluster.world.clock, executor.ended);
const carryOut = (identity: string, fate?: Fate): Promise<Run> => finish(cluster.execute(identity, fate));
const ask = (request: RunRequest): Promise<Run> =>
  requestOf(cluster.world.ctx, cluster.world.client, { namespace: testNamespace, name: 'r1' }, request);
const until = (condition: () => boolean | Promise<boolean>, what: string): Promise<void> =>
  cluster.world.clock.until(condition, what);
const ran = (node = 'n1'): readonly string[] => cluster.machine(node).ran;
const read = (): Promise<Run> =>
  cluster.world.client.get(cluster.world.ctx, runs, { namespace: testNamespace, name: 'r1' });

function failed(run: Run, ...texts: readonly string[]): void {
  expect(run.status?.phase).toBe('Failed');
  for (const text of texts) expect(run.status?.message).toContain(text);
}

async function succeeded(run: Run): Promise<void> {
  expect(run.status?.message ?? '').toBe('');
  expect(run.status?.phase).toBe('Succeeded');
  expect(await cluster.cordoned()).toEqual([]);
  expect(await cluster.claims()).toEqual([]);
}

describe('a command on the hosts', () => {
  it('runs once on each, while the node is empty, and its exit code is the proof', async () => {
    await start({ nodes: size.nodes, window: 2 });
    const executor = cluster.execute('a');
    await succeeded(await finish(executor));
    for (const node of size.nodes) expect(ran(node)).toEqual(['patch']);
    const proofs = executor.events.filter((one) => one.step === 'command/n1' && one.event === 'Proven');
    expect(proofs[0]?.message).toMatch(/^unit polyanthus-r1-[0-9a-f]{12}-command-1 ended with exit code 0$/);
    expect(cluster.machine('n1').claim).toMatchObject({ holder: 'work/r1' });
  });

  const random = createSeededRandom(77);
  it.each([1, 2, 3, 4, 5, 6])('runs once, wherever the executor is killed (%i)', async () => {
    await start({ nodes: ['n1', 'n2'], window: 2 });
    const [at, how] = [
      Math.floor(random.float() * 200),
      random.float() < 0.5 ? ('before' as const) : ('after' as const),
    ];
    const victim = cluster.execute('victim', { at, how });
    await until(victim.struck, `call ${at}`);
    victim.bury();
    await succeeded(await carryOut('heir'));
    expect([ran('n1'), ran('n2')]).toEqual([['patch'], ['patch']]);
    expect(cluster.watched.readyLeast).toBeGreaterThanOrEqual(size.minAvailable);
  });

  it.each(['before', 'after'] as const)(
    'is begun, or adopted, by a successor of one killed %s it is sent',
    async (how) => {
      await start();
      const victim = cluster.execute('victim', { whenCall: (call) => call === 'ssh start', how });
      await until(victim.struck, 'the start');
      victim.bury();
      expect(ran()).toEqual(how === 'before' ? [] : ['patch']);
      await succeeded(await carryOut('heir'));
      expect(ran()).toEqual(['patch']);
    },
  );

  it('is not begun by an executor that stood still while another one finished the run', async () => {
    await start();
    const stopped = cluster.execute('stopped', { whenCall: (call) => call === 'ssh start', how: 'stop' });
    await until(stopped.struck, 'the stop');
    await succeeded(await carryOut('heir'));
    const before = { ran: [...ran()], claim: cluster.machine('n1').claim };
    stopped.go();
    await expect(finish(stopped)).rejects.toMatchObject({ code: 'RunTakenOver' });
    await cluster.world.clock.advance(120_000);
    expect({ ran: ran(), claim: cluster.machine('n1').claim }).toEqual(before);
    expect(before.ran).toEqual(['patch']);
  });

  it('that fails leaves the run red with its last words; asked to resume, it is done again', async () => {
    await start({}, { mark: 'patch', code: 3, out: 'no such package' });
    failed(await carryOut('a'), 'command-1 ended with exit code 3', 'no such package');
    expect(await cluster.cordoned()).toEqual(['n1']);
    failed(await carryOut('b'), 'exit code 3');
    expect(ran()).toEqual(['patch']);
    await ask({ kind: 'resume' });
    failed(await carryOut('c'), 'command-2 ended with exit code 3');
    expect(ran()).toEqual(['patch', 'patch']);
  });

  it('is not repeated by the policy that retries red steps', async () => {
    await startRun(
      cluster.world,
      nodeMaintenance,
      { nodes: ['n1'], run: playing({ mark: 'patch', code: 3 }), ...hostAccess },
      { onRed: { policy: 'retry', rounds: 3 } },
    );
    failed(await carryOut('a'), 'exit code 3');
    expect(ran()).toEqual(['patch']);
  });

  it('is stopped by an undo, and not run again by it', async () => {
    await start({}, { mark: 'patch', seconds: 600 });
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    await ask({ kind: 'undo', to: undefined });
    expect((await finish(running)).status?.phase).toBe('Undone');
    expect(await cluster.cordoned()).toEqual([]);
    expect(ran()).toEqual(['patch']);
    await ask({ kind: 'resume' });
    const again = cluster.execute('b');
    await until(() => ran().length === 2, 'the command of a run that goes forward anew');
    again.bury();
  });

  it('that has ended is left alone by an undo', async () => {
    await start({ approve: true });
    const running = cluster.execute('a');
    await until(async () => (await read()).status?.phase === 'Waiting', 'the approval');
    await ask({ kind: 'undo', to: undefined });
    expect((await finish(running)).status?.phase).toBe('Undone');
    expect(ran()).toEqual(['patch']);
    const undone = running.events.find((one) => one.step === 'command/n1' && one.event === 'Undone');
    expect(undone).toBeDefined();
    await ask({ kind: 'resume' });
    const again = cluster.execute('b', { whenCall: (call) => call === 'ssh start', how: 'before' });
    await until(again.struck, 'a start of its own when the run goes forward anew');
    again.bury();
    await ask({ kind: 'approve', steps: ['handover'] });
    await succeeded(await carryOut('c'));
    expect(ran()).toEqual(['patch', 'patch']);
  });

  it('that never ends is stopped by the host at its deadline', async () => {
    await start({ runTimeout: 120_000 }, { mark: 'patch', seconds: 1e6, ignoresTerm: true });
    failed(await carryOut('a'), 'was stopped because its time was over');
    expect(ran()).toEqual(['patch']);
  });
});

describe('trouble with a host', () => {
  it('whose key is another one is found before any node is touched', async () => {
    cluster.machine('n1').trouble = 'keyChanged';
    await start({ nodes: ['n1', 'n2'] });
    failed(await carryOut('a'), 'n1: the host key is not the pinned one');
    expect(cluster.watched).toMatchObject({ cordonedMost: 0, evictions: 0 });
  });

  it('whose key changes in mid-command is red, and nothing is done twice', async () => {
    await start();
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    cluster.machine('n1').trouble = 'keyChanged';
    failed(await finish(running), 'the host key is not the pinned one');
    cluster.machine('n1').trouble = 'none';
    await ask({ kind: 'resume' });
    await succeeded(await carryOut('b'));
    expect(ran()).toEqual(['patch']);
  });

  it('that is away for minutes is waited out', async () => {
    await start();
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    cluster.machine('n1').trouble = 'unreachable';
    await cluster.world.clock.advance(300_000);
    cluster.machine('n1').trouble = 'none';
    await succeeded(await finish(running));
    expect(ran()).toEqual(['patch']);
  });

  it('that stays away leaves the run red; once it is back, what it did is found', async () => {
    await start({ runTimeout: 300_000 });
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    cluster.machine('n1').trouble = 'unreachable';
    failed(await finish(running), 'command/n1');
    cluster.machine('n1').trouble = 'none';
    await ask({ kind: 'resume' });
    await succeeded(await carryOut('b'));
    expect(ran()).toEqual(['patch']);
  });

  it('that stays away keeps an undo from claiming that nothing runs there', async () => {
    await start({}, { mark: 'patch', seconds: 600 });
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    cluster.machine('n1').trouble = 'unreachable';
    await ask({ kind: 'undo', to: undefined });
    failed(await finish(running), 'the command may still run');
    expect(await cluster.cordoned()).toEqual(['n1']);
    cluster.machine('n1').trouble = 'none';
    await ask({ kind: 'resume' });
    expect((await carryOut('b')).status?.phase).toBe('Undone');
    expect(await cluster.cordoned()).toEqual([]);
  });

  it('that loses its power in mid-command is red; asked to resume, the command is done again', async () => {
    await start();
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    const machine = cluster.machine('n1');
    machine.cutPower();
    await cluster.world.clock.advance(60_000);
    machine.powerUp();
    failed(await finish(running), 'was under way when the host went down');
    expect(ran()).toEqual(['patch']);
    await ask({ kind: 'resume' });
    await succeeded(await carryOut('b'));
    expect(ran()).toEqual(['patch', 'patch']);
  });

  it('whose power goes as the command begins is red, and it did not run', async () => {
    cluster.machine('n1').cutAfterBegin = true;
    await start();
    const running = cluster.execute('a');
    await until(() => cluster.machine('n1').trouble === 'unreachable', 'the power cut');
    cluster.machine('n1').powerUp();
    failed(await finish(running), 'was under way when the host went down');
    expect(ran()).toEqual([]);
  });

  it('whose disk is full begins nothing; with room the run goes on', async () => {
    await start();
    const running = cluster.execute('a');
    await until(async () => (await cluster.cordoned()).length === 1, 'the cordon');
    cluster.machine('n1').full = true;
    failed(await finish(running), 'KiB are free');
    expect(ran()).toEqual([]);
    cluster.machine('n1').full = false;
    await ask({ kind: 'resume' });
    await succeeded(await carryOut('b'));
    expect(ran()).toEqual(['patch']);
  });

  it('of another cluster is refused before any node is touched', async () => {
    const machine = cluster.machine('n1');
    await machine.run(cluster.world.ctx, {
      script: '',
      args: ['/d', 'claim', 'another', '1', 'elsewhere/r9', '-', '0', '0'],
      timeoutMs: 1000,
    });
    await start();
    failed(await carryOut('a'), 'belongs to cluster another');
    expect(cluster.watched).toMatchObject({ cordonedMost: 0, evictions: 0 });
  });
});

describe('trouble with a node and its runs', () => {
  it('that is deleted in mid-command is red with its name', async () => {
    await start();
    const running = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    cluster.simulation.stopNode('n1');
    await cluster.world.client.delete(cluster.world.ctx, nodes, { name: 'n1' });
    failed(await finish(running), 'Node n1 is gone');
    expect(ran()).toEqual(['patch']);
  });

  it('that another run works on is refused, and that run is not disturbed', async () => {
    await start();
    const first = cluster.execute('a');
    await until(() => ran().length === 1, 'the command');
    await start({}, { mark: 'second' }, 'r2');
    const second = cluster.execute('b', {}, { run: 'r2' });
    failed(await finish(second), 'it is held by run work/r1');
    await succeeded(await finish(first));
    expect(ran()).toEqual(['patch']);
  });

  it.each([86_400_000, -86_400_000])(
    'whose executor sees its clock jump by %i ms goes on all the same',
    async (jumpMs) => {
      await start();
      let offMs = 0;
      const { clock } = cluster.world;
      const running = cluster.execute('a', {}, { clock: { ...clock, pending: 0, now: () => clock.now() + offMs } });
      await until(async () => (await cluster.cordoned()).length === 1, 'the cordon');
      offMs = jumpMs;
      await until(() => ran().length === 1, 'the command');
      offMs = 0;
      await succeeded(await finish(running));
      expect(ran()).toEqual(['patch']);
      expect(cluster.watched.readyLeast).toBeGreaterThanOrEqual(size.minAvailable);
    },
  );
});
