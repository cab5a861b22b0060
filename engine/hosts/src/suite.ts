/** What a host with systemd does, fake or real. One host serves all cases, so each has steps and epochs of its own. */
import { background, sleep, type Context } from '@polyanthus/ground-base/context';
import type { HostConnection } from '@polyanthus/ground-ssh/connection';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describe, expect, it } from 'vitest';
import {
  awaitCommand,
  claimHost,
  lookAtCommand,
  releaseHost,
  standingOf,
  startCommand,
  stopCommand,
  type HostStanding,
} from './command.ts';
import { readJournal } from './journal.ts';
import type { FencedHost } from './protocol.ts';
import { outputBytes } from './scripts.ts';
import { playing, rebootCommand, type Play } from './testing.ts';
import { stemOf, type EndedUnit, type UnitState } from './unit.ts';

/** A host that the suite may do with as it likes. */
export interface SuiteHost {
  readonly ctx: Context;
  readonly connection: HostConnection;
  readonly stateDir?: string;
  /** Lets time pass until the promise settles. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** Marks of the commands that began, oldest first. */
  ran(): Promise<readonly string[]>;
  /** Lets a command that is held go to its end. */
  release(mark: string): Promise<void>;
  readonly power: { cut(): Promise<void>; up(): Promise<void> };
  /** Leaves no room, or room again; for describeFullDisk. */
  readonly fill?: (full: boolean) => Promise<void>;
}

const timeoutMs = 60_000;
/** What a host says, or ssh of it, that is going down or not yet up. */
const away = ['HostUnreachable', 'HostConnectionLost', 'HostTimedOut', 'HostStopping', 'HostAuthRefused'];
let epochs = 0;

/** One case's way to the host. */
class Case {
  readonly open: () => SuiteHost;
  readonly stem: string;
  readonly epoch: number;

  constructor(open: () => SuiteHost) {
    this.open = open;
    epochs += 10;
    this.epoch = epochs;
    this.stem = stemOf({ run: 'suite', uid: `0000-${epochs}`, step: 'step' });
  }

  host(raised = 0, cluster = 'c1'): FencedHost {
    const { connection, stateDir } = this.open();
    const fence = { cluster, epoch: this.epoch + raised, holder: `ns/suite-${this.epoch}` };
    return { connection, fence, ...(stateDir === undefined ? {} : { stateDir }) };
  }

  drive<T>(fn: (ctx: Context) => Promise<T>): Promise<T> {
    const host = this.open();
    return host.drive(fn(host.ctx));
  }

  start(
    play: Play,
    more: { raised?: number; attempt?: number; timeoutMs?: number; stem?: string } = {},
  ): Promise<UnitState> {
    const { raised, attempt = 1, stem = this.stem } = more;
    const command = { stem, attempt, command: playing(play), timeoutMs: more.timeoutMs ?? timeoutMs };
    return this.drive((ctx) => startCommand(ctx, this.host(raised), command));
  }

  async ended(stem = this.stem): Promise<EndedUnit> {
    const unit = await this.drive((ctx) => awaitCommand(ctx, this.host(), stem));
    if (unit === undefined) throw new Error('there is no such unit');
    return unit;
  }

  release(raised = 0): Promise<UnitState> {
    return this.drive((ctx) => releaseHost(ctx, this.host(raised), this.stem));
  }

  /** Asks the host to reboot, unless it has left that boot. */
  reboot(boot: string, attempt = 1): Promise<UnitState> {
    const command = { stem: this.stem, attempt, command: rebootCommand, timeoutMs, boot };
    return this.drive((ctx) => startCommand(ctx, this.host(), command));
  }

  standing(): Promise<HostStanding> {
    return this.drive((ctx) => standingOf(ctx, this.host(), this.stem, 'look'));
  }

  /** Until the host answers in another boot. */
  async rebooted(boot: string): Promise<HostStanding> {
    for (;;) {
      const found = await this.standing().catch((error: unknown) => {
        if (!away.some((code) => hasCode(error, code))) throw error;
        return undefined;
      });
      if (found !== undefined && found.boot !== boot) return found;
      await this.drive((ctx) => sleep(ctx, 500));
    }
  }

  async times(mark: string): Promise<number> {
    return (await this.open().ran()).filter((one) => one === mark).length;
  }
}

/** See the file's header. */
export function describeSystemd(name: string, open: () => SuiteHost): void {
  describe(`commands on ${name}`, () => {
    describeEnds(open);
    describeFencing(open);
    describeRelease(open);
    describePower(open);
    describeReboot(open);
  });
}

function describeEnds(open: () => SuiteHost): void {
  it('end with every exit code, and with what they said', async () => {
    for (const code of [0, 3, 255]) {
      const one = new Case(open);
      expect(await one.start({ mark: 'code', code, out: 'hello' })).toMatchObject({ state: 'running', attempt: 1 });
      expect(await one.ended()).toMatchObject({ result: 'exited', code, output: 'hello', attempt: 1 });
    }
  });

  it('keep the beginning and the end of what they said', async () => {
    const one = new Case(open);
    await one.start({ mark: 'talk', out: 'first', bytes: 1_000_000 });
    const { output } = await one.ended();
    expect(output.startsWith('firsty\n')).toBe(true);
    expect(output.endsWith('y\nlast')).toBe(true);
    expect(output.length).toBe(2 * outputBytes);
  });

  it('leave a begin and an end in the journal', async () => {
    const one = new Case(open);
    await one.start({ mark: 'note', code: 7 });
    await one.ended();
    const lines = await one.drive((ctx) => readJournal(ctx, one.host()));
    const own = lines.filter((line) => line.subject.includes(one.stem));
    expect(own.map(({ kind, subject, epoch, result, code }) => ({ kind, subject, epoch, result, code }))).toEqual([
      { kind: 'begin', subject: `${one.stem}-1`, epoch: one.epoch },
      { kind: 'end', subject: `${one.stem}-1`, epoch: one.epoch, result: 'exited', code: '7' },
    ]);
    expect(own[0]?.boot).toBe(own[1]?.boot);
  });

  it('are stopped at their deadline, also when they do not want to', async () => {
    for (const ignoresTerm of [false, true]) {
      const one = new Case(open);
      await one.start({ mark: 'endless', seconds: 1000, ignoresTerm }, { timeoutMs: 1000 });
      expect(await one.ended()).toMatchObject({ result: 'deadline' });
    }
  });

  it('are unknown until they are begun', async () => {
    const one = new Case(open);
    expect(await one.drive((ctx) => lookAtCommand(ctx, one.host(), one.stem))).toEqual({ state: 'none' });
    expect(await one.drive((ctx) => awaitCommand(ctx, one.host(), one.stem))).toBeUndefined();
  });
}

function describeFencing(open: () => SuiteHost): void {
  it('run once for each attempt, however often they are begun', async () => {
    const one = new Case(open);
    const play: Play = { mark: `once-${one.epoch}`, code: 4 };
    await one.start(play);
    await one.ended();
    expect(await one.start(play, { raised: 1 })).toMatchObject({ state: 'ended', code: 4 });
    expect(await one.times(play.mark)).toBe(1);
    await one.start(play, { raised: 1, attempt: 2 });
    expect(await one.ended()).toMatchObject({ attempt: 2 });
    expect(await one.times(play.mark)).toBe(2);
  });

  it('are adopted while they run, by a later attempt too', async () => {
    const one = new Case(open);
    const play: Play = { mark: `adopt-${one.epoch}`, hold: true };
    await one.start(play);
    expect(await one.drive((ctx) => claimHost(ctx, one.host(1), one.stem))).toMatchObject({ state: 'running' });
    expect(await one.start(play, { raised: 1, attempt: 2 })).toMatchObject({ state: 'running', attempt: 1 });
    await open().release(play.mark);
    expect(await one.ended()).toMatchObject({ result: 'exited', code: 0, attempt: 1 });
    expect(await one.times(play.mark)).toBe(1);
  });

  it('are stopped by a successor', async () => {
    const one = new Case(open);
    await one.start({ mark: 'stopped', seconds: 1000 });
    await one.drive((ctx) => stopCommand(ctx, one.host(1), one.stem));
    expect(await one.ended()).toMatchObject({ result: 'stopped' });
    expect(await one.drive((ctx) => stopCommand(ctx, one.host(1), one.stem))).toMatchObject({ result: 'stopped' });
  });

  it('are neither begun nor stopped by an executor of a lower epoch, or for another cluster', async () => {
    const one = new Case(open);
    const play: Play = { mark: `late-${one.epoch}` };
    const mine: Play = { mark: `mine-${one.epoch}`, hold: true };
    await one.drive((ctx) => claimHost(ctx, one.host(2), one.stem));
    await expect(one.start(play, { raised: 1 })).rejects.toMatchObject({ code: 'HostTakenOver' });
    await one.start(mine, { raised: 2 });
    await expect(one.drive((ctx) => stopCommand(ctx, one.host(1), one.stem))).rejects.toMatchObject({
      code: 'HostTakenOver',
    });
    for (const ask of [claimHost, lookAtCommand])
      await expect(one.drive((ctx) => ask(ctx, one.host(9, 'c2'), one.stem))).rejects.toMatchObject({
        code: 'HostForeign',
      });
    await open().release(mine.mark);
    expect(await one.ended()).toMatchObject({ result: 'exited', code: 0 });
    expect(await one.times(play.mark)).toBe(0);
  });

  it('run one at a time', async () => {
    const one = new Case(open);
    const mark = `first-${one.epoch}`;
    await one.start({ mark, hold: true });
    await expect(one.start({ mark: 'beside' }, { stem: `${one.stem}x` })).rejects.toMatchObject({ code: 'HostBusy' });
    await open().release(mark);
    await one.ended();
    await one.start({ mark: 'after' }, { stem: `${one.stem}x` });
    expect(await one.ended(`${one.stem}x`)).toMatchObject({ code: 0 });
  });
}

function describeRelease(open: () => SuiteHost): void {
  it('are not begun by a lower epoch, nor by its own, once the claim was given back', async () => {
    const one = new Case(open);
    const play: Play = { mark: `given-${one.epoch}`, code: 2 };
    await one.start(play, { raised: 1 });
    await one.ended();
    expect(await one.release(1)).toMatchObject({ result: 'exited', code: 2 });
    expect(await one.release(1)).toMatchObject({ result: 'exited', code: 2 });
    for (const raised of [0, 1])
      await expect(one.start(play, { raised, attempt: 2 })).rejects.toMatchObject({ code: 'HostTakenOver' });
    await expect(one.release()).rejects.toMatchObject({ code: 'HostTakenOver' });
    await one.start(play, { raised: 2, attempt: 2 });
    expect(await one.ended()).toMatchObject({ attempt: 2 });
    expect(await one.times(play.mark)).toBe(2);
    const lines = await one.drive((ctx) => readJournal(ctx, one.host()));
    const claims = lines.filter((line) => line.subject === one.host().fence.holder);
    expect(claims.map(({ kind, epoch }) => `${kind} ${epoch - one.epoch}`)).toEqual([
      'claim 1',
      'release 1',
      'claim 2',
    ]);
  });

  it('keep the claim from being given back while one runs', async () => {
    const one = new Case(open);
    const mark = `kept-${one.epoch}`;
    await one.start({ mark, hold: true });
    await expect(one.release()).rejects.toMatchObject({ code: 'HostBusy' });
    await open().release(mark);
    await one.ended();
    expect(await one.release()).toMatchObject({ result: 'exited', code: 0 });
  });

  it('are begun for another cluster on a host that was given back, by a higher epoch alone', async () => {
    const one = new Case(open);
    const claimAs = (raised: number, cluster: string): Promise<UnitState> =>
      one.drive((ctx) => claimHost(ctx, one.host(raised, cluster), one.stem));
    await claimAs(1, 'c1');
    await one.release(1);
    await expect(claimAs(1, 'c2')).rejects.toMatchObject({ code: 'HostTakenOver' });
    await claimAs(2, 'c2');
    await expect(claimAs(3, 'c1')).rejects.toMatchObject({ code: 'HostForeign' });
    await one.drive((ctx) => releaseHost(ctx, one.host(3, 'c2'), one.stem));
    await claimAs(4, 'c1');
  });
}

function describePower(open: () => SuiteHost): void {
  it('are known after a power cut: those that had ended, and the one that was under way', async () => {
    const [before, under] = [new Case(open), new Case(open)];
    const { power } = open();
    await before.start({ mark: 'before', code: 5 });
    await before.ended();
    await under.start({ mark: `under-${under.epoch}`, seconds: 1000 });
    await power.cut();
    await expect(before.drive((ctx) => lookAtCommand(ctx, before.host(), before.stem))).rejects.toMatchObject({
      code: 'HostUnreachable',
    });
    await power.up();
    expect(await under.ended()).toMatchObject({ result: 'rebooted' });
    expect(await before.ended()).toMatchObject({ result: 'exited', code: 5 });
    const play: Play = { mark: `again-${under.epoch}`, seconds: 1000 };
    expect(await under.start(play)).toMatchObject({ result: 'rebooted', attempt: 1 });
    await under.start(play, { attempt: 2 });
    await under.drive((ctx) => stopCommand(ctx, under.host(), under.stem));
    expect(await under.ended()).toMatchObject({ attempt: 2, result: 'stopped' });
  });
}

function describeReboot(open: () => SuiteHost): void {
  it('reboot the host once, whoever asks again, and not in another boot', async () => {
    const one = new Case(open);
    const { boot } = await one.standing();
    expect(await one.reboot(boot)).toMatchObject({ state: 'running', attempt: 1 });
    const found = await one.rebooted(boot);
    expect(found.unit).toMatchObject({ state: 'ended', attempt: 1 });
    expect(await one.reboot(boot)).toMatchObject({ state: 'ended', attempt: 1 });
    // Another attempt is not begun either: the host has left that boot.
    expect(await one.reboot(boot, 2)).toMatchObject({ state: 'ended', attempt: 1 });
    expect((await one.standing()).boot).toBe(found.boot);
  });
}

const outcomeOf = ({ result, code }: EndedUnit): object => ({ result, code });
const noDisk = (): Promise<void> => Promise.reject(new Error('its disk cannot be filled'));

/** For a host whose disk can be filled. */
export function describeFullDisk(name: string, open: () => SuiteHost): void {
  describe(`commands on ${name} with a full disk`, () => {
    it('are not begun on a full disk', async () => {
      const one = new Case(open);
      const { fill = noDisk } = open();
      await fill(true);
      await expect(one.start({ mark: `full-${one.epoch}` })).rejects.toMatchObject({ code: 'HostDiskFull' });
      await fill(false);
      expect(await one.times(`full-${one.epoch}`)).toBe(0);
      await one.start({ mark: 'room' });
      expect(await one.ended()).toMatchObject({ code: 0 });
    });

    it('keep their end when the disk fills up meanwhile: it is told once there is room', async () => {
      const one = new Case(open);
      const { fill = noDisk } = open();
      const mark = `filled-${one.epoch}`;
      await one.start({ mark, hold: true, code: 6 });
      await fill(true);
      await open().release(mark);
      // Where the last block of the journal has room for a line, it is told at once.
      const told = await one.ended().catch((error: unknown) => error);
      expect([{ code: 'HostDiskFull' }, { result: 'exited', code: 6 }]).toContainEqual(
        told instanceof Error ? { code: (told as { code?: unknown }).code } : outcomeOf(told as EndedUnit),
      );
      await fill(false);
      expect(await one.ended()).toMatchObject({ result: 'exited', code: 6 });
    });
  });
}

/** For hosts by the machine's clock. */
export const realTime = { ctx: background(), drive: <T>(promise: Promise<T>): Promise<T> => promise };
