import { parseCommand } from '@polyanthus/ground-cli-kit/parse';
import { recordIo, type RecordedIo } from '@polyanthus/ground-cli-kit/io';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { statusError } from '@polyanthus/kube-objects/status';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  everyKind,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type World,
} from '../src/testing.ts';
import { judge } from './carry-out.ts';
import { follow } from './follow.ts';
import { runbookCommands } from './runbook.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld(2);
});
beforeEach(() => renew(world, 2));
afterAll(() => world.close());

const setup = {
  runbooks: [everyKind],
  options: [],
  open: () =>
    Promise.resolve({
      runsClient: world.client,
      namespace: testNamespace,
      membership: undefined,
      again: '',
      hub: false,
      clusterClient: () => Promise.resolve(world.client),
      prepare: () => Promise.resolve(),
    }),
};
const commands = runbookCommands(setup);

/** Runs a command of the group; answers its exit code and what it printed. */
async function run(name: string, ...argv: readonly string[]): Promise<{ readonly code: number } & RecordedIo> {
  const command = commands[name];
  if (command === undefined) throw new Error(`no command ${name}`);
  const parsed = parseCommand(['polyanthus', 'runbook', name], command, argv, {});
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  const code = await settled(world.clock, command.run(world.ctx, parsed.input, { io, env: {} }));
  return { code: code ?? 0, ...io };
}
const spec = async () => (await world.client.get(world.ctx, runs, { namespace: testNamespace, name: 'r1' })).spec;

describe('polyanthus runbook', () => {
  it('explains a runbook, and the plan for its targets, and changes nothing', async () => {
    const plain = (await run('explain', 'every-kind')).stdout();
    expect(plain).toContain('touches: value of the map');
    expect(plain).toContain('undo: none: POINT OF NO RETURN');
    const plan = (await run('explain', 'every-kind', '-p', 'final=false', '-p', 'window=1')).stdout();
    expect(plan).toContain('ConfigMap work/m1');
    expect(plan).toContain('(for each of 2 targets, 1 at once)');
    expect(plan).not.toContain('POINT OF NO RETURN');
    expect((await world.client.list(world.ctx, runs)).items).toEqual([]);
  });

  it('names every parameter that is wrong', async () => {
    await expect(run('start', 'every-kind', '-p', 'window=0', '-p', 'other=1', '-p', 'final=maybe')).rejects.toThrow(
      'runbook every-kind: other: there is no such parameter; window: is less than 1; final: is neither true nor false',
    );
    await expect(run('explain', 'nothing')).rejects.toMatchObject({ code: 'RunbookUnknown' });
  });

  it('makes a run, lists it, and asks things of it', async () => {
    expect((await run('start', 'every-kind', '--name', 'r1', '--detach', '--on-red', 'retry')).stdout()).toBe('r1\n');
    expect((await run('list')).stdout()).toMatch(/r1 +every-kind +Pending +0\/0/);
    await run('pause', 'r1');
    await run('approve', 'r1', '--step', 'ask/m0', '--step', 'ask/m1');
    expect(await spec()).toMatchObject({ paused: true, approvals: ['ask/m0', 'ask/m1'], onRed: { policy: 'retry' } });
    await run('undo', 'r1', '--to', 'first', '--detach');
    expect(await spec()).toMatchObject({ paused: false, undo: { number: 1, to: 'first' } });
    await run('abort', 'r1', '--detach');
    expect((await spec()).abort).toBe(true);
  });

  it('checks a run and makes none where that is asked for, and prints it as data', async () => {
    const dry = await run('start', 'every-kind', '--name', 'r1', '--dry-run');
    expect([dry.code, dry.stdout()]).toEqual([0, 'r1 (dry run)\n']);
    expect(dry.stderr()).toContain('ConfigMap work/m1');
    const made = JSON.parse(
      (await run('start', 'every-kind', '--name', 'r1', '--dry-run', '-o', 'json')).stdout(),
    ) as Run;
    expect(made).toMatchObject({ kind: 'Run', metadata: { name: 'r1' }, spec: { runbook: 'every-kind' } });
    expect((await world.client.list(world.ctx, runs)).items).toEqual([]);
    await expect(run('start', 'every-kind', '--name', 'A b')).rejects.toMatchObject({
      code: 'RunParameterInvalid',
      usage: true,
      message: expect.stringContaining('a run cannot be called "A b"') as string,
    });
    expect((await run('start', 'every-kind', '--name', 'r1', '--detach', '-o', 'name')).stdout()).toBe(
      'run.runbook.polyanthus.dev/r1\n',
    );
  });

  it('lists in every form, and says where there is nothing', async () => {
    const none = await run('list');
    expect([none.stdout(), none.stderr()]).toEqual(['', 'No runs in work.\n']);
    expect(JSON.parse((await run('list', '-o', 'json')).stdout())).toMatchObject({ kind: 'List', items: [] });
    expect(JSON.parse((await run('list', '--runbooks', '-o', 'json')).stdout())).toMatchObject({
      items: [{ id: 'every-kind' }],
    });
    await startRun(world, everyKind, {});
    expect((await run('list', '-o', 'wide')).stdout()).toMatch(/TARGETS[\s\S]*m0,m1/);
    expect((await run('list', '-o', 'name')).stdout()).toBe('run.runbook.polyanthus.dev/r1\n');
  });

  it('refuses what has no effect on a run, and names what may have been meant', async () => {
    await startRun(world, everyKind, {}, { approvals: ['ask'] });
    await expect(run('approve', 'r1', '--step', 'ask/m9')).rejects.toThrow('run r1 has no target m9 (did you mean m0');
    await expect(run('approve', 'r1', '--step', 'first')).rejects.toThrow(
      /first waits for no approval; those .* are ask/,
    );
    await expect(run('undo', 'r1', '--to', 'frist')).rejects.toThrow('no step frist (did you mean first?)');
    const executor = startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
    await settled(world.clock, executor.ended);
    for (const [name, ...more] of [['pause'], ['approve', '--step', 'ask'], ['abort']] as const)
      await expect(run(name, 'r1', ...more)).rejects.toMatchObject({
        code: 'RunEnded',
        message: `run r1 is Succeeded: there is nothing to ${name}`,
      });
  });

  it('says why a run stopped, with commands that can be typed as they stand', async () => {
    const made = await startRun(world, everyKind, {});
    const failed: Run = { ...made, status: { phase: 'Failed', message: 'no' } };
    const report = 'See what it did: polyanthus runbook report r1 --context=c';
    expect(() => judge(failed, ['Succeeded'], ' --context=c')).toThrow(
      expect.objectContaining({
        message: 'run r1 ended Failed: no',
        next: `${report}; when it is mended: polyanthus runbook resume r1 --context=c`,
      }) as Error,
    );
    expect(judge({ ...made, status: { phase: 'Undone' } }, ['Undone'], '')).toBe(0);
  });

  it('completes runs, runbooks, parameters, and the steps of the run that was named', async () => {
    await startRun(world, everyKind, {});
    const candidates = (name: string, what: string, ...args: readonly string[]) =>
      commands[name]?.complete?.[what]?.(world.ctx, { io: recordIo(), env: {} }, { options: {}, args, rest: [] });
    expect(await candidates('watch', 'runs')).toEqual(['r1']);
    expect(await candidates('start', 'runbooks')).toEqual(['every-kind']);
    expect(await candidates('start', 'parameters', 'every-kind')).toContain('window=');
    expect(await candidates('approve', 'approvals', 'r1')).toEqual(['ask']);
    expect(await candidates('undo', 'steps', 'r1')).toContain('first');
  });

  it('goes on showing a run while its API is away', async () => {
    await startRun(world, everyKind, {}, { approvals: ['ask'] });
    const executor = startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
    let refusals = 3;
    const away: World['client']['listAll'] = (...args) => {
      refusals -= 1;
      if (refusals >= 0) throw statusError('TooManyRequests', 'storage is (re)initializing');
      return world.client.listAll(...args);
    };
    const io = recordIo();
    const place = { ...(await setup.open()), runsClient: { ...world.client, listAll: away } };
    const watching = follow(world.ctx, place, 'r1', io);
    expect((await settled(world.clock, watching)).status?.phase).toBe('Succeeded');
    expect(refusals).toBeLessThan(0);
    await executor.ended;
  });

  it('shows a run as it goes, and reports it with evidence', async () => {
    await startRun(world, everyKind, {}, { approvals: ['ask'] });
    const executor = startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
    const watched = await run('watch', 'r1');
    await executor.ended;
    expect(watched.code).toBe(0);
    expect(watched.stderr()).toContain('✓ m1: set value: it says between');
    expect(watched.stderr()).toContain('run r1: Succeeded, 15 of 15 steps proven');
    const report = JSON.parse((await run('report', 'r1', '--format', 'json')).stdout()) as {
      readonly phase: string;
      readonly steps: readonly { readonly step: string; readonly evidence: string }[];
    };
    expect(report.phase).toBe('Succeeded');
    expect(report.steps.map((step) => step.evidence)).not.toContain(undefined);
    expect((await run('report', 'r1')).stdout()).toContain('| 14 | set final | ConfigMap work/m1 | Proven | 1 |');
  });
});
