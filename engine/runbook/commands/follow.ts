/** Showing a run as it goes, until it stops: on a terminal what is under way is redrawn, elsewhere plain lines follow. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { humanDuration } from '@polyanthus/ground-cli-kit/duration';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { hasWork } from '../src/executor.ts';
import { isTransient } from '../src/failures.ts';
import { readRun } from '../src/report.ts';
import type { RunPlace } from './place.ts';

const lookMs = 1000;
const lookShare = 10;
/** Steps under way that a terminal shows; the others are counted. */
const livelyMax = 8;

/** Prints to stderr until the run has stopped, or `executing` has ended; answers it as it stands then. */
export async function follow(
  ctx: Context,
  place: RunPlace,
  name: string,
  io: Io,
  executing?: Promise<unknown>,
): Promise<Run> {
  const view = io.terminal ? new TerminalView(io, place) : new PlainView(io, place);
  let over = false;
  void executing?.then(() => (over = true)).catch(() => undefined);
  for (;;) {
    const beganMs = ctx.clock.monotonic();
    const last = over;
    const read = await readPatiently(ctx, place, name);
    if (read !== undefined) {
      view.show(read.run, read.steps, ctx.clock.now());
      if (last || !hasWork(read.run)) return read.run;
    }
    // A run of thousands of steps is read less often, so that looking stays a small part of the work.
    await sleep(ctx, Math.max(lookMs, lookShare * (ctx.clock.monotonic() - beganMs)));
  }
}

/** Undefined while the API is away: the run goes on without being watched. */
async function readPatiently(
  ctx: Context,
  place: RunPlace,
  name: string,
): Promise<Awaited<ReturnType<typeof readRun>> | undefined> {
  try {
    return await readRun(ctx, place.runsClient, { namespace: place.namespace, name });
  } catch (error) {
    if (ctx.signal.aborted || !isTransient(error)) throw error;
    ctx.log.warn('the run cannot be read now', { run: name, error });
    return undefined;
  }
}

/** One line for each step that changed, and one for each change of the run. */
class PlainView {
  readonly #io: Io;
  readonly #place: RunPlace;
  readonly #shown = new Map<string, string>();
  #phase = '';

  constructor(io: Io, place: RunPlace) {
    this.#io = io;
    this.#place = place;
  }

  show(run: Run, steps: readonly RunStep[]): void {
    for (const step of steps) {
      const line = lineOf(step);
      if (line === undefined || this.#shown.get(step.metadata.name ?? '') === line) continue;
      this.#shown.set(step.metadata.name ?? '', line);
      this.#io.err(`${line}\n`);
    }
    const phase = phaseLine(run, steps, this.#place);
    if (phase !== this.#phase) this.#io.err(`${phase}\n`);
    this.#phase = phase;
  }
}

const wrapOff = '\u001b[?7l';
const wrapOn = '\u001b[?7h';

/** What ended scrolls away; below it the steps under way with their times and the run itself, drawn anew each time. */
class TerminalView {
  readonly #io: Io;
  readonly #place: RunPlace;
  readonly #shown = new Map<string, string>();
  #drawn = 0;

  constructor(io: Io, place: RunPlace) {
    this.#io = io;
    this.#place = place;
  }

  show(run: Run, steps: readonly RunStep[], nowMs: number): void {
    const ended: string[] = [];
    const lively: string[] = [];
    for (const step of steps) {
      const line = lineOf(step);
      if (line === undefined) continue;
      if (underWay.has(step.status?.state ?? '')) lively.push(`${line}${sinceText(step, nowMs)}`);
      else if (this.#shown.get(step.metadata.name ?? '') !== line) {
        this.#shown.set(step.metadata.name ?? '', line);
        ended.push(line);
      }
    }
    const more = lively.length > livelyMax ? [`… and ${lively.length - livelyMax} more`] : [];
    const block = [...lively.slice(0, livelyMax), ...more, phaseLine(run, steps, this.#place)];
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}F`;
    const lines = ended.map((line) => `${line}\n`).join('');
    // A line that wraps would count twice when the cursor goes up again.
    this.#io.err(`${up}\u001b[J${lines}${wrapOff}${block.map((line) => `${line}\n`).join('')}${wrapOn}`);
    this.#drawn = block.length;
  }
}

const underWay: ReadonlySet<string> = new Set(['Intended', 'Acted', 'UndoIntended', 'UndoActed']);

function sinceText({ status = {} }: RunStep, nowMs: number): string {
  const undoing = status.state === 'UndoIntended' || status.state === 'UndoActed';
  const sinceMs = parseKubeTime(undoing ? status.undo?.intentAt : status.intentAt);
  return sinceMs === undefined ? '' : ` (${humanDuration(Math.max(0, nowMs - sinceMs))})`;
}

const marks: Readonly<Record<string, string>> = {
  Intended: '…',
  Acted: '…',
  Proven: '✓',
  Failed: '✗',
  UndoIntended: '↶',
  UndoActed: '↶',
  Undone: '↶',
};

function lineOf({ spec, status = {} }: RunStep): string | undefined {
  const mark = marks[status.state ?? ''];
  if (mark === undefined) return undefined;
  const target = spec.target === undefined ? '' : ` ${spec.target.name}:`;
  const undone = status.state === 'Undone' ? `undone, ${status.undo?.evidence ?? ''}` : undefined;
  const tries = (status.attempt ?? 0) > 1 ? ` (attempt ${status.attempt ?? 0})` : '';
  const done = status.state === 'Proven' ? status.evidence : undefined;
  const detail = undone ?? status.message ?? done ?? '';
  return `${mark}${target} ${spec.title}${tries}${detail === '' ? '' : `: ${detail}`}`;
}

/** Counted from the steps that are shown above: the summary in the run is written less often. */
function phaseLine(run: Run, steps: readonly RunStep[], { again }: RunPlace): string {
  const { phase = 'Pending', waitingFor = [], message = '' } = run.status ?? {};
  const name = run.metadata.name ?? '';
  const proven = steps.filter((step) => step.status?.state === 'Proven').length;
  const count = steps.length === 0 ? '' : `, ${proven} of ${steps.length} steps proven`;
  const waits =
    waitingFor.length > 0
      ? `; approve with: polyanthus runbook approve ${name} --step ${waitingFor[0] ?? ''}${again}`
      : '';
  return `run ${name}: ${phase}${count}${waits}${message === '' ? '' : `; ${message}`}`;
}
