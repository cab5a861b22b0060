/** Showing a run as it goes: one line for each step that changed, until the run stops. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { hasWork } from '../src/executor.ts';
import { readRun } from '../src/report.ts';
import type { RunPlace } from './place.ts';

const lookMs = 1000;

/** Prints to stderr until the run has stopped; answers it as it stands then. */
export async function follow(ctx: Context, place: RunPlace, name: string, io: Io): Promise<Run> {
  const shown = new Map<string, string>();
  let phase = '';
  for (;;) {
    const { run, steps } = await readRun(ctx, place.runsClient, { namespace: place.namespace, name });
    for (const step of steps) {
      const line = lineOf(step);
      if (line === undefined || shown.get(step.metadata.name ?? '') === line) continue;
      shown.set(step.metadata.name ?? '', line);
      io.err(`${line}\n`);
    }
    const now = phaseLine(run, steps.length);
    if (now !== phase) io.err(`${now}\n`);
    phase = now;
    if (!hasWork(run)) return run;
    await sleep(ctx, lookMs);
  }
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

function phaseLine(run: Run, total: number): string {
  const { phase = 'Pending', steps, waitingFor = [], message = '' } = run.status ?? {};
  const name = run.metadata.name ?? '';
  const waits =
    phase === 'Waiting' && waitingFor.length > 0
      ? `; approve with: polyanthus runbook approve ${name} --step ${waitingFor[0] ?? ''}`
      : '';
  return `run ${name}: ${phase}, ${steps?.proven ?? 0} of ${total} steps proven${waits}${message === '' ? '' : `; ${message}`}`;
}
