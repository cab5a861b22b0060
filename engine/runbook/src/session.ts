/** All steps in one direction, until they are done, one is red, or the user asks for something else. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { stepBack } from './backward.ts';
import { Control, type Request } from './control.ts';
import { redText } from './failures.ts';
import { everythingHolds, stepForward } from './forward.ts';
import { stateOf, type RunHandle, type StepRecord } from './handle.ts';
import { slide } from './lanes.ts';
import { stepKey } from './plan.ts';
import { numberOf, type Stage } from './runbook.ts';

/** How a session ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'red'; readonly message: string }
  | { readonly kind: Request };

/** Carries out what is left, in the run's direction. Errors: RunTakenOver, Cancelled. */
export async function runSession(ctx: Context, handle: RunHandle): Promise<Outcome> {
  const control = new Control(ctx, handle);
  if (control.request !== undefined) return { kind: control.request };
  const reds: string[] = [];
  const session: Session = { handle, control, reds };
  const back = handle.run.status?.direction === 'back';
  try {
    await control.during(ctx, () => (back ? goBack(session) : goForward(session)));
  } catch (error) {
    if (control.request === undefined || ctx.signal.aborted || hasCode(error, 'RunTakenOver')) throw error;
  }
  if (control.request !== undefined) return { kind: control.request };
  return reds.length === 0 ? { kind: 'done' } : { kind: 'red', message: reds.slice(0, 3).join('; ') };
}

interface Session {
  readonly handle: RunHandle;
  readonly control: Control;
  readonly reds: string[];
}

async function goForward(session: Session): Promise<void> {
  const { handle, control } = session;
  await guardRed(session, () => everythingHolds(control.ctx, handle, 'going on'));
  for (const stage of handle.options.runbook.stages) {
    const lanes = lanesOf(handle, stage).filter((lane) => lane.some((record) => stateOf(record) !== 'Proven'));
    await slide(lanes, windowOf(handle, stage), (lane) => forwardLane(session, lane));
    if (control.halted) return;
  }
}

async function forwardLane(session: Session, lane: readonly StepRecord[]): Promise<void> {
  const { handle, control } = session;
  for (const record of lane) {
    if (stateOf(record) === 'Proven') continue;
    if (!(await control.mayBegin())) return;
    const went = await guardRed(
      session,
      () =>
        control.working(() =>
          stepForward(control.ctx, handle, record, (ctx, waiting) => control.approval(ctx, waiting)),
        ),
      record,
    );
    if (!went) return;
  }
}

/** Steps after `status.undoTo`, latest first. */
async function goBack(session: Session): Promise<void> {
  const { handle, control } = session;
  const affected = recordsAfter(handle, handle.run.status?.undoTo);
  for (const stage of handle.options.runbook.stages.toReversed()) {
    const lanes = lanesOf(handle, stage)
      .map((lane) => lane.filter((record) => affected.includes(record)).toReversed())
      .filter((lane) => lane.length > 0);
    await slide(lanes.toReversed(), windowOf(handle, stage), (lane) => backLane(session, lane));
    if (control.halted) return;
  }
}

async function backLane(session: Session, lane: readonly StepRecord[]): Promise<void> {
  const { handle, control } = session;
  for (const record of lane) {
    if (!(await control.mayBegin())) return;
    if (!(await guardRed(session, () => control.working(() => stepBack(control.ctx, handle, record)), record))) return;
  }
}

/** False when `fn` failed for good: then nothing new is begun, and what is under way ends. */
async function guardRed(session: Session, fn: () => Promise<void>, record?: StepRecord): Promise<boolean> {
  const { control, reds } = session;
  try {
    await fn();
    return true;
  } catch (error) {
    if (control.ctx.signal.aborted || hasCode(error, 'RunTakenOver')) throw error;
    reds.push(redText(error, record === undefined ? undefined : stepKey(record)));
    control.halted = true;
    return false;
  }
}

/** What an undo back to `step` affects: every record of a later step; all without one. */
export function recordsAfter(handle: RunHandle, step: string | undefined): readonly StepRecord[] {
  const ids = handle.options.runbook.stages.flatMap((stage) => stage.steps.map((one) => one.id));
  const at = step === undefined ? -1 : ids.indexOf(step);
  return handle.records.filter((record) => ids.indexOf(record.definition.id) > at);
}

function lanesOf(handle: RunHandle, stage: Stage): readonly (readonly StepRecord[])[] {
  const lanes: StepRecord[][] = [];
  for (const record of handle.records) if (record.stage === stage.id) (lanes[record.lane] ??= []).push(record);
  return lanes.filter((lane) => lane !== undefined);
}

function windowOf(handle: RunHandle, stage: Stage): number {
  return Math.max(1, numberOf(stage.window ?? 1, handle.options.parameters));
}
