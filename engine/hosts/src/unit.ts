/** A command on a host as a systemd unit: how it is named, where it stands, and what its end means. */
import { hostsErrors } from './errors.ts';

/** Which step of which run it belongs to. */
export interface UnitKey {
  /** Name of the run, for people. */
  readonly run: string;
  /** Its uid: another run of the same name is another one. */
  readonly uid: string;
  readonly step: string;
}

const stemMax = 180;

/** The name of a step's units without their attempt: `polyanthus-RUN-UID-STEP`, of letters, digits, `_` and `-`. */
export function stemOf({ run, uid, step }: UnitKey): string {
  const name = [run.slice(0, 60), uid.replaceAll('-', '').slice(0, 12), step.slice(0, 60)].join('-');
  return `polyanthus-${name.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`.slice(0, stemMax);
}

/**
 * How it ended. `exited`: by itself, with a code. `stopped`: it took a SIGTERM for its end. `deadline`: its time was over.
 * `killed`: by another signal. `rebooted`: the host went down first. `lost`: nobody knows. `refused`: systemd did not take it.
 */
export type UnitResult = 'exited' | 'stopped' | 'deadline' | 'killed' | 'rebooted' | 'lost' | 'refused';

/** Where the latest unit of a step stands. */
export type UnitState =
  | { readonly state: 'none' }
  | { readonly state: 'running'; readonly unit: string; readonly attempt: number }
  | EndedUnit;

/** One that has ended. */
export interface EndedUnit {
  readonly state: 'ended';
  readonly unit: string;
  readonly attempt: number;
  readonly result: UnitResult;
  /** Of `exited`, and of others where it is known. */
  readonly code: number | undefined;
  /** Folder on the host with command and output. */
  readonly folder: string;
  /** The beginning and the end of what it wrote, stdout and stderr together. */
  readonly output: string;
}

/** Whether it did what it should. */
export const hasSucceeded = (unit: EndedUnit): boolean => unit.result === 'exited' && unit.code === 0;

const words: Readonly<Record<Exclude<UnitResult, 'exited'>, string>> = {
  stopped: 'was stopped before its end',
  deadline: 'was stopped because its time was over',
  killed: 'was killed',
  rebooted: 'was under way when the host went down',
  lost: 'was begun, and nothing on the host knows its end',
  refused: 'was not taken by systemd',
};
const lastOutputMax = 300;

/** One sentence for evidence and errors. */
export function sentenceOf(unit: EndedUnit): string {
  const { result, code } = unit;
  const ending = result === 'exited' ? `ended with exit code ${code ?? 'unknown'}` : words[result];
  return `unit ${unit.unit} ${ending}`;
}

const codes = {
  exited: 'HostCommandFailed',
  stopped: 'HostCommandStopped',
  deadline: 'HostCommandStopped',
  killed: 'HostCommandStopped',
  rebooted: 'HostRebooted',
  lost: 'HostUnitLost',
  refused: 'HostUnitRefused',
} as const;

/** What an end that is no success is as an error: with the last of its output, and where the rest is. */
export function errorOf(host: string, unit: EndedUnit): Error {
  const last = unit.output.trim().slice(-lastOutputMax);
  const said = last === '' ? 'it said nothing' : `its last words: ${last.replaceAll('\n', ' | ')}`;
  const where = unit.output === '' ? '' : ` (all in ${unit.folder})`;
  return hostsErrors.error(codes[unit.result], `host ${host}: ${sentenceOf(unit)}; ${said}${where}`);
}
