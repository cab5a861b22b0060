/** One step back: the undo of a step is itself an intent, an action and a proof. */
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { kubeMicroTime } from '@polyanthus/kube-runtime/times';
import { runbookErrors } from './errors.ts';
import { observeMs, untilSo } from './forward.ts';
import { isTransient, textOf } from './failures.ts';
import { isTouched, stateOf, type RunHandle, type StepRecord } from './handle.ts';
import { stepKey } from './plan.ts';
import { hasUndo, numberOf, type ActionStep, type UndoDefinition } from './runbook.ts';
import { scopeOf } from './scope.ts';

/** Brings a step to Undone. One that fails for good is stored with its message, and its error thrown. */
export async function stepBack(ctx: Context, handle: RunHandle, record: StepRecord): Promise<void> {
  const state = stateOf(record);
  if (state === 'Undone' || (state === 'Pending' && !isTouched(record))) return;
  const { definition } = record;
  if (!isTouched(record) || !hasUndo(definition)) {
    await handle.store(ctx, record, {
      state: 'Undone',
      message: undefined,
      undo: { attempt: 0, evidence: why(record) },
    });
    return;
  }
  const undoing = state === 'UndoIntended' || state === 'UndoActed';
  if (undoing && (await isUndone(ctx, handle, record, definition))) return;
  await undo(ctx, handle, record, definition);
}

function why({ definition, object }: StepRecord): string {
  if (definition.kind !== 'action') return 'it changed nothing';
  if ((object.status?.attempt ?? 0) === 0) return 'it was never begun';
  return typeof definition.undo === 'object' && 'nothing' in definition.undo ? definition.undo.nothing : '';
}

type Undoable = ActionStep & { readonly undo: UndoDefinition };

async function isUndone(ctx: Context, handle: RunHandle, record: StepRecord, step: Undoable): Promise<boolean> {
  const verdict = await untilSo(ctx, ctx.clock.monotonic(), () => step.undo.prove(ctx, scopeOf(ctx, handle, record)));
  if (verdict.ok) await undone(ctx, handle, record, `${verdict.evidence} (found so by a successor)`);
  return verdict.ok;
}

async function undo(ctx: Context, handle: RunHandle, record: StepRecord, step: Undoable): Promise<void> {
  for (let failures = 0; ;) {
    try {
      await attempt(ctx, handle, record, step);
      return;
    } catch (error) {
      if (ctx.signal.aborted || hasCode(error, 'RunTakenOver')) throw error;
      if (!isTransient(error)) failures += 1;
      await handle.store(ctx, record, { message: textOf(error) });
      if (failures >= step.attempts) throw error;
      await sleep(ctx, observeMs * 2 ** failures);
    }
  }
}

async function attempt(ctx: Context, handle: RunHandle, record: StepRecord, step: Undoable): Promise<void> {
  const timeoutMs = numberOf(step.deadline, handle.options.parameters);
  const deadlineMs = ctx.clock.monotonic() + timeoutMs;
  const begun = {
    attempt: (record.object.status?.undo?.attempt ?? 0) + 1,
    intentAt: kubeMicroTime(ctx.clock.now()),
  };
  await handle.store(ctx, record, { state: 'UndoIntended', message: undefined, undo: begun });
  await withTimeout(ctx, timeoutMs, `undoing step ${stepKey(record)}`, (inner) =>
    step.undo.act(inner, scopeOf(inner, handle, record)),
  );
  await handle.store(ctx, record, { state: 'UndoActed' });
  const verdict = await untilSo(ctx, deadlineMs, () => step.undo.prove(ctx, scopeOf(ctx, handle, record)));
  if (!verdict.ok)
    throw runbookErrors.error('StepNotProven', `step ${stepKey(record)} is not undone: ${verdict.evidence}`);
  await undone(ctx, handle, record, verdict.evidence);
}

async function undone(ctx: Context, handle: RunHandle, record: StepRecord, evidence: string): Promise<void> {
  const undo = {
    ...record.object.status?.undo,
    attempt: record.object.status?.undo?.attempt ?? 0,
    provenAt: kubeMicroTime(ctx.clock.now()),
    evidence,
  };
  await handle.store(ctx, record, { state: 'Undone', message: undefined, undo });
}

/** Why these records cannot be undone: the first that is beyond return. */
export function beyondReturn(handle: RunHandle, records: readonly StepRecord[]): Error | undefined {
  const found = records.find(
    (record) =>
      record.definition.kind === 'action' && record.definition.undo === 'point-of-no-return' && isTouched(record),
  );
  if (found === undefined) return undefined;
  return runbookErrors.error(
    'PointOfNoReturn',
    `run ${handle.name} cannot be taken back: step ${stepKey(found)} was begun and has no way back`,
  );
}
