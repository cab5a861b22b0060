/**
 * A host with systemd for hermetic tests, by the clock of its callers: claims, units, power cuts, a full disk. What it promises
 * is held by the suite that real hosts pass as well (suite.ts has it).
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import type { HostAnswer, HostScript } from '@polyanthus/ground-ssh/connection';
import { sshErrors } from '@polyanthus/ground-ssh/errors';
import { createFakeHost, type FakeHost } from '@polyanthus/ground-ssh/fake';
import { outputBytes } from './scripts.ts';
import type { UnitResult } from './unit.ts';

/** What a command does, for real hosts as a script, for this one as the comment in its first line. */
export interface Play {
  /** Appended to $MARKS (/root/marks) when it begins. */
  readonly mark: string;
  readonly seconds?: number;
  /** Goes on until the file $MARKS.MARK is there. */
  readonly hold?: boolean;
  readonly code?: number;
  readonly out?: string;
  /** So many bytes more of output, then `last`. */
  readonly bytes?: number;
  readonly ignoresTerm?: boolean;
}

/** A command that reboots its host, real or fake. */
export const rebootCommand = 'systemctl reboot';

/** The command that plays it. */
export function playing(play: Play): string {
  const { mark, seconds = 0, hold = false, code = 0, out = '', bytes = 0, ignoresTerm = false } = play;
  return [
    `# ${JSON.stringify(play)}`,
    ...(ignoresTerm ? ["trap '' TERM"] : []),
    `marks=\${MARKS:-/root/marks}; echo ${mark} >> "$marks" && sync "$marks"`,
    `printf %s '${out}'`,
    ...(bytes > 0 ? [`yes | head -c ${bytes}; printf last`] : []),
    ...(hold ? [`while [ ! -e "$marks.${mark}" ]; do sleep 0.2; done`] : []),
    `sleep ${seconds}`,
    `exit ${code}`,
  ].join('\n');
}

const playOf = (command: string): Play => {
  const comment = /^# (\{.*\})$/m.exec(command)?.[1];
  return comment === undefined ? { mark: command } : (JSON.parse(comment) as Play);
};

function outputOf({ out = '', bytes = 0 }: Play): string {
  if (bytes === 0) return out;
  const all = `${out}${'y\n'.repeat(bytes / 2)}last`;
  return all.length <= outputBytes ? all : all.slice(0, outputBytes) + all.slice(outputBytes).slice(-outputBytes);
}

interface FakeUnit {
  readonly name: string;
  readonly play: Play;
  readonly boot: number;
  readonly epoch: string;
  /** As systemd has it; gone with the power. */
  state: 'running' | 'ended';
  /** As its files on the disk have it. */
  end?: { readonly result: UnitResult; readonly code: string };
  /** Known to systemd, and not written for want of room. */
  unwritten?: { readonly result: UnitResult; readonly code: string };
  settled: boolean;
}

/** A host and its handles for tests. */
export interface SystemdHost extends FakeHost {
  /** Marks of the commands that began, oldest first. */
  readonly ran: readonly string[];
  /** Nothing can be written. */
  full: boolean;
  /** The power goes right after the next begin was noted, before its unit is started. */
  cutAfterBegin: boolean;
  /** How long a reboot keeps it away. */
  rebootMs: number;
  /** Of the boot that it is in. */
  readonly bootId: string;
  /** Lets a command that is held go to its end. */
  release(mark: string): void;
  /** Everything that runs ends without a trace; nobody is reached. */
  cutPower(): void;
  /** Comes up with what was on the disk. */
  powerUp(): void;
  /** The claim as it is on the disk; its cluster is `-` once it was given back. */
  readonly claim: { readonly cluster: string; readonly epoch: number; readonly holder: string } | undefined;
}

/** Makes one that is up. */
export function createSystemdHost(name: string, clock: Clock): SystemdHost {
  return new FakeMachine(clock).hostOf(name);
}

class FakeMachine {
  readonly #clock: Clock;
  readonly #units: FakeUnit[] = [];
  readonly #journal: string[] = [];
  readonly ran: string[] = [];
  claim: { cluster: string; epoch: number; holder: string } | undefined;
  powered = true;
  full = false;
  cutAfterBegin = false;
  rebootMs = 40_000;
  #stopping = false;
  #boot = 1;
  #host: FakeHost | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hostOf(name: string): SystemdHost {
    const host = createFakeHost(name, (_ctx, script) => Promise.resolve(this.#answer(name, script)));
    this.#host = host;
    Object.defineProperties(host, {
      ran: { get: () => this.ran },
      claim: { get: () => this.claim },
      full: {
        get: () => this.full,
        set: (full: boolean) => {
          this.full = full;
        },
      },
      cutAfterBegin: {
        get: () => this.cutAfterBegin,
        set: (cut: boolean) => {
          this.cutAfterBegin = cut;
        },
      },
      rebootMs: {
        get: () => this.rebootMs,
        set: (ms: number) => {
          this.rebootMs = ms;
        },
      },
      bootId: { get: () => `boot-${this.#boot}` },
      release: { value: (mark: string) => this.release(mark) },
      cutPower: { value: () => this.cutPower() },
      powerUp: { value: () => this.powerUp() },
    });
    return host as SystemdHost;
  }

  release(mark: string): void {
    for (const unit of this.#units) if (unit.play.mark === mark) this.#end(unit, 'exited', String(unit.play.code ?? 0));
  }

  cutPower(): void {
    this.powered = false;
    if (this.#host !== undefined) this.#host.trouble = 'unreachable';
    for (const unit of this.#units) {
      unit.state = 'ended';
      delete unit.unwritten;
    }
  }

  powerUp(): void {
    if (this.powered) return;
    this.powered = true;
    this.#stopping = false;
    this.#boot += 1;
    if (this.#host !== undefined) this.#host.trouble = 'none';
  }

  #answer(name: string, { script, args = [] }: HostScript): HostAnswer {
    const lost = (): Error => sshErrors.error('HostConnectionLost', `${name}: the connection broke`);
    if (!this.powered) throw lost();
    const [, verb = '', cluster = '', epoch = '', holder = '', stem = '', attempt = '', seconds = '', boot = '-'] =
      args;
    const text = this.#carryOut({ verb, cluster, epoch: Number(epoch), holder, stem, attempt, seconds, boot, script });
    if (!this.powered) throw lost();
    return { code: 0, stdout: Buffer.from(text), stderr: Buffer.from('') };
  }

  #carryOut(request: Request): string {
    if (this.#stopping) return 'refused stopping\n';
    const refused = this.#settle() ?? this.#mayGoOn(request);
    if (refused !== undefined) return refused;
    switch (request.verb) {
      case 'journal':
        return `\n${this.#journal.join('')}`;
      case 'start':
        return this.#start(request);
      case 'stop':
        this.#stop(request.stem);
        return this.#reportLast(request.stem);
      default:
        return this.#reportLast(request.stem);
    }
  }

  #settle(): string | undefined {
    for (const unit of this.#units.filter((one) => !one.settled)) {
      const end = unit.end ?? (unit.boot === this.#boot ? unit.unwritten : { result: 'rebooted' as const, code: '-' });
      if (end === undefined) continue;
      if (this.full) return unwritable;
      unit.end = end;
      unit.settled = true;
      this.#note('end', unit.epoch, `${unit.name}\t${end.result}\t${end.code}`);
    }
    return undefined;
  }

  #mayGoOn(request: Request): string | undefined {
    const { claim } = this;
    if (request.verb === 'journal') return undefined;
    if (claim !== undefined && claim.cluster !== '-' && claim.cluster !== request.cluster)
      return `refused foreign /var/lib/polyanthus/host/claim ${claim.cluster} ${claim.holder}\n`;
    if (request.verb === 'look') return undefined;
    return request.verb === 'release' ? this.#release(request) : this.#take(request);
  }

  #take({ cluster, epoch, holder }: Request): string | undefined {
    const { claim } = this;
    if (claim !== undefined && epoch < claim.epoch) return `refused epoch ${claim.epoch} ${claim.holder}\n`;
    if (claim?.epoch === epoch)
      return claim.cluster === '-' ? `refused released ${claim.epoch} ${claim.holder}\n` : undefined;
    if (this.full) return unwritable;
    this.claim = { cluster, epoch, holder };
    this.#note('claim', String(epoch), holder);
    return undefined;
  }

  #release(request: Request): string | undefined {
    const { epoch, holder } = request;
    if (this.claim?.cluster === '-' && this.claim.epoch === epoch) return undefined;
    const refused = this.#take(request);
    if (refused !== undefined) return refused;
    const running = this.#units.find((unit) => !unit.settled);
    if (running !== undefined) return `refused busy ${running.name}\n`;
    if (this.full) return unwritable;
    this.claim = { cluster: '-', epoch, holder };
    this.#note('release', String(epoch), holder);
    return undefined;
  }

  #start({ epoch, stem, attempt, seconds, boot, script }: Request): string {
    const running = this.#units.find((unit) => !unit.settled);
    if (running !== undefined && isOf(running.name, stem)) return this.#report(running);
    const name = `${stem}-${attempt}`;
    const begun = this.#units.find((unit) => unit.name === name);
    if (begun !== undefined) return this.#report(begun);
    if (running !== undefined) return `refused busy ${running.name}\n`;
    if (boot !== '-' && boot !== `boot-${this.#boot}`) return this.#reportLast(stem);
    if (this.full) return unwritable;
    const play = playOf(commandOf(script));
    const unit: FakeUnit = { name, play, boot: this.#boot, epoch: String(epoch), state: 'running', settled: false };
    this.#units.push(unit);
    this.#note('begin', unit.epoch, name);
    if (this.cutAfterBegin) {
      this.cutAfterBegin = false;
      this.cutPower();
      return '';
    }
    this.#run(unit, Number(seconds) * 1000);
    return this.#report(unit);
  }

  #run(unit: FakeUnit, deadlineMs: number): void {
    const { mark, seconds = 0, code = 0, hold = false, ignoresTerm = false } = unit.play;
    this.ran.push(mark);
    if (mark === rebootCommand) this.#reboot();
    if (!hold) this.#clock.after(seconds * 1000, () => this.#end(unit, 'exited', String(code)));
    const killMs = ignoresTerm ? stopMs : 0;
    this.#clock.after(deadlineMs + killMs, () => this.#end(unit, 'deadline', ignoresTerm ? '-' : '143'));
  }

  /** As systemd does: it takes the order and answers, stops for a moment, and is gone. */
  #reboot(): void {
    const boot = this.#boot;
    this.#clock.after(rebootPhaseMs, () => (this.#stopping = true));
    this.#clock.after(2 * rebootPhaseMs, () => this.cutPower());
    this.#clock.after(2 * rebootPhaseMs + this.rebootMs, () => {
      if (this.#boot === boot) this.powerUp();
    });
  }

  #stop(stem: string): void {
    const unit = this.#units.find((one) => !one.settled && isOf(one.name, stem));
    if (unit === undefined) return;
    if (unit.play.ignoresTerm === true) this.#clock.after(stopMs, () => this.#end(unit, 'killed', 'KILL'));
    else this.#clock.after(100, () => this.#end(unit, 'stopped', '143'));
  }

  #end(unit: FakeUnit, result: UnitResult, code: string): void {
    if (unit.state === 'ended' || unit.boot !== this.#boot) return;
    unit.state = 'ended';
    if (this.full) unit.unwritten = { result, code };
    else unit.end = { result, code };
  }

  #reportLast(stem: string): string {
    const last = this.#units.findLast((unit) => isOf(unit.name, stem));
    return last === undefined ? `boot boot-${this.#boot}\nstate none\n` : this.#report(last);
  }

  #report(unit: FakeUnit): string {
    const head = `boot boot-${this.#boot}\nunit ${unit.name}\nattempt ${unit.name.split('-').at(-1) ?? ''}\n`;
    if (unit.end === undefined || !unit.settled) return `${head}state running\n`;
    const { result, code } = unit.end;
    const folder = `/var/lib/polyanthus/host/units/${unit.name}`;
    return `${head}state ended\nresult ${result}\ncode ${code}\nfolder ${folder}\n\n${outputOf(unit.play)}`;
  }

  #note(kind: string, epoch: string, rest: string): void {
    const time = new Date(this.#clock.now()).toISOString().replace(/\.\d+/, '');
    this.#journal.push(`${kind}\t${time}\tboot-${this.#boot}\t${epoch}\t${rest}\t.\n`);
  }
}

interface Request {
  readonly verb: string;
  readonly cluster: string;
  readonly epoch: number;
  readonly holder: string;
  readonly stem: string;
  readonly attempt: string;
  readonly seconds: string;
  readonly boot: string;
  readonly script: string;
}

const stopMs = 10_000;
/** From the order to reboot until it stops, and from then until it is gone. */
const rebootPhaseMs = 1500;
const unwritable = 'refused unwritable 0 /var/lib/polyanthus/host\n';
const isOf = (unit: string, stem: string): boolean => unit.slice(0, unit.lastIndexOf('-')) === stem;

/** The command out of the text of a script. */
function commandOf(script: string): string {
  const quoted = script.slice(script.lastIndexOf('\npayload=') + '\npayload='.length, script.lastIndexOf('\nmain '));
  return quoted.startsWith("'") ? quoted.slice(1, -1).replaceAll("'\\''", "'") : quoted;
}
