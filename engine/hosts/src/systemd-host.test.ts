import { background } from '@polyanthus/ground-base/context';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { describe, expect, it } from 'vitest';
import { claimHost, lookAtCommand, startCommand } from './command.ts';
import { parseJournal } from './journal.ts';
import { fenceEpoch, type FencedHost } from './protocol.ts';
import { describeFullDisk, describeSystemd, type SuiteHost } from './suite.ts';
import { createSystemdHost, playing } from './testing.ts';
import { errorOf, hasSucceeded, stemOf } from './unit.ts';

const clock = createTestClock();
const ctx = background({ clock });
const machine = createSystemdHost('h1', clock);

async function drive<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => void (done = true);
  promise.then(end, end);
  await clock.until(() => done, 'a promise to settle');
  return promise;
}

const open = (): SuiteHost => ({
  ctx,
  connection: machine,
  drive,
  ran: () => Promise.resolve(machine.ran),
  release: (mark) => Promise.resolve(machine.release(mark)),
  power: {
    cut: () => Promise.resolve(machine.cutPower()),
    up: () => Promise.resolve(machine.powerUp()),
  },
  fill: (full) => Promise.resolve(void (machine.full = full)),
});
describeSystemd('the fake', open);
describeFullDisk('the fake', open);

const fence = { cluster: 'c1', epoch: 1, holder: 'ns/r' };

describe('a host', () => {
  it('whose power goes between the begin and the start of a unit is found rebooted, and nothing ran', async () => {
    const other = createSystemdHost('h2', clock);
    const host: FencedHost = { connection: other, fence };
    other.cutAfterBegin = true;
    const begin = startCommand(ctx, host, { stem: 's', attempt: 1, command: playing({ mark: 'm' }), timeoutMs: 1000 });
    await expect(drive(begin)).rejects.toMatchObject({ code: 'HostConnectionLost' });
    other.powerUp();
    expect(await drive(lookAtCommand(ctx, host, 's'))).toMatchObject({ state: 'ended', result: 'rebooted' });
    expect(other.ran).toEqual([]);
  });

  it('whose key is another one, or that is not reached, says so', async () => {
    const other = createSystemdHost('h2', clock);
    for (const [trouble, code] of [
      ['keyChanged', 'HostKeyChanged'],
      ['unreachable', 'HostUnreachable'],
    ] as const) {
      other.trouble = trouble;
      await expect(drive(claimHost(ctx, { connection: other, fence }, 's'))).rejects.toMatchObject({ code });
    }
  });
});

describe('answers of a host', () => {
  const answering = (stdout: string, code = 0, stderr = ''): FencedHost => ({
    fence,
    connection: {
      name: 'h3',
      run: () => Promise.resolve({ code, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) }),
      upload: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
  });
  it.each([
    ['refused foreign /d/claim c9 ns/other\n', 'HostForeign', 'c9 (ns/other)'],
    ['refused epoch 12 ns/other\n', 'HostTakenOver', 'ns/other with the higher epoch 12'],
    ['refused busy u-1\n', 'HostBusy', 'u-1'],
    ['refused locked /d/lock\n', 'HostBusy', '/d/lock'],
    ['refused unwritable 3 /d\n', 'HostDiskFull', '3 KiB'],
    ['refused unwritable 99999 /d\n', 'HostStateBroken', '/d cannot be written'],
    ['refused damaged /d/claim\n', 'HostStateBroken', '/d/claim'],
    ['refused tool flock\n', 'HostToolMissing', 'flock'],
    ['refused stopping\n', 'HostStopping', 'h3'],
    ['refused unit Failed to start transient unit\n', 'HostUnitRefused', 'transient'],
    ['refused what\n', 'HostScriptFailed', 'what'],
    ['state odd\n', 'HostScriptFailed', 'odd'],
  ])('%j are coded', async (stdout, code, text) => {
    const asked = claimHost(ctx, answering(stdout), 's');
    await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string });
  });

  it('that end otherwise carry what the host said', async () => {
    await expect(claimHost(ctx, answering('', 2, 'sh: syntax error'), 's')).rejects.toMatchObject({
      code: 'HostScriptFailed',
      message: expect.stringContaining('syntax error') as string,
    });
  });
});

describe('the end of a unit', () => {
  const ended = {
    state: 'ended',
    unit: 'u-1',
    attempt: 1,
    code: undefined,
    folder: '/d/u-1',
    output: 'a\nb\n',
  } as const;
  it.each([
    ['exited', 'HostCommandFailed'],
    ['stopped', 'HostCommandStopped'],
    ['deadline', 'HostCommandStopped'],
    ['killed', 'HostCommandStopped'],
    ['rebooted', 'HostRebooted'],
    ['lost', 'HostUnitLost'],
    ['refused', 'HostUnitRefused'],
  ] as const)('%s is coded and has the last words', (result, code) => {
    const error = errorOf('h1', { ...ended, result });
    expect(error).toMatchObject({ code });
    expect(error.message).toContain('a | b (all in /d/u-1)');
  });

  it('is a success with exit code 0 alone', () => {
    expect(hasSucceeded({ ...ended, result: 'exited', code: 0 })).toBe(true);
    expect(hasSucceeded({ ...ended, result: 'exited', code: 1 })).toBe(false);
    expect(hasSucceeded({ ...ended, result: 'stopped', code: 0 })).toBe(false);
  });
});

it('a later run stands above an earlier one, and a takeover above what it took over', () => {
  const [early, late] = [Date.parse('2026-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:01Z')];
  const epochs = [fenceEpoch(early, 1), fenceEpoch(early, 2), fenceEpoch(early, 5e9), fenceEpoch(late, 1)];
  expect(epochs.toSorted((one, other) => one - other)).toEqual(epochs);
  expect(epochs.every(Number.isSafeInteger)).toBe(true);
});

it('names are what systemd and grep take as they are', () => {
  expect(stemOf({ run: 'r.1/ü', uid: 'ab-cd', step: 'command/n1' })).toBe('polyanthus-r_1__-abcd-command_n1');
  expect(stemOf({ run: 'r'.repeat(300), uid: 'u', step: 's'.repeat(300) }).length).toBeLessThanOrEqual(180);
});

it('a torn line of a journal is none', () => {
  const whole = 'begin\tt\tb\t3\tu-1\t.\nend\tt\tb\t3\tu-1\texited\t0\t.\n';
  expect(parseJournal(whole)).toHaveLength(2);
  for (let cut = 0; cut < whole.length; cut++)
    expect(parseJournal(whole.slice(0, cut)).length).toBe(whole.slice(0, cut).split('.').length - 1);
});
