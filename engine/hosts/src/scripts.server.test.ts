/** The scripts themselves, by this machine's shell, without root: the suite of every host with systemd. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimHost, startCommand } from './command.ts';
import { readJournal } from './journal.ts';
import { hostScript } from './scripts.ts';
import { StandInHost } from './stand-in.ts';
import { describeSystemd, realTime } from './suite.ts';
import { playing } from './testing.ts';

const linux = process.platform === 'linux';

describe.skipIf(!linux)('the scripts for hosts', () => {
  let folder = '';
  let host: StandInHost;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'px-standin-'));
    host = new StandInHost(folder, process.env['PATH'] ?? '');
  });
  afterAll(() => {
    host.cutPower();
    rmSync(folder, { recursive: true, force: true });
  });

  describeSystemd('a shell with a stand-in for systemd', () => ({
    ...realTime,
    connection: host,
    stateDir: host.stateDir,
    ran: () => Promise.resolve(host.marks),
    release: (mark) => Promise.resolve(host.release(mark)),
    power: { cut: () => Promise.resolve(host.cutPower()), up: () => Promise.resolve(host.powerUp()) },
  }));

  const fenced = () => ({
    connection: host,
    stateDir: host.stateDir,
    fence: { cluster: 'c1', epoch: 1_000_000, holder: 'ns/r' },
  });

  it('run nothing of a script that was cut off in its middle', () => {
    const marker = join(folder, 'begun');
    const script = `${hostScript}touch '${marker}'\nmain "$@" < /dev/null\n`;
    const whole = script.indexOf('touch ');
    for (const cut of [0.1, 0.5, 0.9].map((part) => Math.floor(whole * part)))
      try {
        execFileSync('sh', ['-s', '--', join(folder, 'cut'), 'claim'], { input: script.slice(0, cut), stdio: 'pipe' });
      } catch {
        // A script that ends in the middle of a function is a syntax error.
      }
    expect(() => execFileSync('ls', [join(folder, 'cut')], { stdio: 'pipe' })).toThrow();
  });

  it('keep a torn line of the journal apart from what follows', async () => {
    const journal = join(host.stateDir, 'journal');
    await claimHost(realTime.ctx, fenced(), 'torn');
    writeFileSync(journal, 'begin\t2026-01-01T00:00:00Z\tboot-1\t1\ttorn-1', { flag: 'a' });
    const command = { stem: 'torn', attempt: 1, command: playing({ mark: 'torn' }), timeoutMs: 10_000 };
    expect(await startCommand(realTime.ctx, fenced(), command)).toMatchObject({ state: 'running', unit: 'torn-1' });
    const lines = (await readJournal(realTime.ctx, fenced())).filter((line) => line.subject === 'torn-1');
    expect(lines[0]).toMatchObject({ kind: 'begin', epoch: 1_000_000 });
  });

  it('refuse a claim that is damaged', async () => {
    writeFileSync(join(host.stateDir, 'claim'), 'c1\t1');
    await expect(claimHost(realTime.ctx, fenced(), 's')).rejects.toMatchObject({ code: 'HostStateBroken' });
    rmSync(join(host.stateDir, 'claim'));
  });
});
