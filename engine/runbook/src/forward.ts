/**
 * One step forward: intent, action, proof, each stored before the next begins. Whoever finds a step in the middle first
 * looks whether it happened, and only then does it again.
 */
import { Bell } from '@polyanthus/ground-base/bell';
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Following } from '@polyanthus/kube-client/follow';
import { kubeMicroTime, parseKubeTime } from '@polyanthus/kube-runtime/times';
import { runbookErrors } from './errors.ts';
import { isTransient, redText, textOf } from './failures.ts';
import { isTouched, stateOf, type RunHandle, type StepRecord } from './handle.ts';
import { stepKey } from './plan.ts';
import { questionKey } from './questions.ts';
import { numberOf, type ActionStep, type CheckStep, type StepScope, type Verdict, type WaitStep } from './runbook.ts';
import { scopeOf } from './scope.ts';

/** Between two looks. */
export const observeMs = 1000;
/** The same while a change would be told, and at least after one that was told. */
const followedMs = 5000;
const wokenMs = 50;
const backoffMaxMs = 30_000;

/** Until an approval arrives; throws when the run ends otherwise. */
export type AwaitApproval = (ctx: Context, record: StepRecord) => Promise<void>;

/** Brings a step to Proven. A step that is red for good is stored as Failed, and its error thrown. */
export async function stepForward(
  ctx: Context,
  handle: RunHandle,
  record: StepRecord,
  awaitApproval: AwaitApproval,
): Promise<void> {
  const state = stateOf(record);
  if (state === 'Proven') return;
  // Stored by a predecessor that ended before it could say so of the run: only a request begins it again.
  if (state === 'Failed') throw runbookErrors.error('StepNotProven', record.object.status?.message ?? stepKey(record));
  if (state === 'Undone') await forget(ctx, handle, record);
  const { definition } = record;
  if (definition.kind === 'approval') {
    await awaitApproval(ctx, record);
    await proven(ctx, handle, record, 'approved');
    return;
  }
  try {
    if (definition.kind === 'check') await check(ctx, handle, record, definition);
    else if (definition.kind === 'wait') await wait(ctx, handle, record, definition);
    else await action(ctx, handle, record, definition);
  } catch (error) {
    if (ctx.signal.aborted || hasCode(error, 'RunTakenOver')) throw error;
    await handle.store(ctx, record, { state: 'Failed', message: redText(error, stepKey(record)) });
    throw error;
  }
}

/** A step that was undone begins anew, with a before-image of its own. */
async function forget(ctx: Context, handle: RunHandle, record: StepRecord): Promise<void> {
  record.left = undefined;
  await handle.store(ctx, record, {
    state: 'Pending',
    attempt: 0,
    failures: 0,
    before: undefined,
    mark: undefined,
    kept: undefined,
    intentAt: undefined,
    actedAt: undefined,
    provenAt: undefined,
    evidence: undefined,
    message: undefined,
    undo: undefined,
  });
}

async function check(ctx: Context, handle: RunHandle, record: StepRecord, step: CheckStep): Promise<void> {
  const deadlineMs = ctx.clock.monotonic() + numberOf(step.deadline, handle.options.parameters);
  const mark = await patiently(ctx, deadlineMs, () => step.mark?.(ctx, scopeOf(ctx, handle, record)));
  const scope = scopeOf(ctx, handle, record, mark);
  const verdict = await untilProven(ctx, deadlineMs, step, scope);
  if (!verdict.ok) throw notProven(record, verdict);
  await proven(ctx, handle, record, verdict.evidence);
}

/** Within one executor by its monotonic clock; what earlier ones waited is told by the wall clock alone. */
async function wait(ctx: Context, handle: RunHandle, record: StepRecord, step: WaitStep): Promise<void> {
  const durationMs = numberOf(step.duration, handle.options.parameters);
  if (stateOf(record) !== 'Intended')
    await handle.store(ctx, record, { state: 'Intended', attempt: 1, intentAt: kubeMicroTime(ctx.clock.now()) });
  const sinceMs = parseKubeTime(record.object.status?.intentAt) ?? ctx.clock.now();
  const waitedMs = Math.max(0, ctx.clock.now() - sinceMs);
  await sleep(ctx, Math.max(0, durationMs - waitedMs));
  await proven(ctx, handle, record, `waited since ${record.object.status?.intentAt ?? ''}`);
}

async function action(ctx: Context, handle: RunHandle, record: StepRecord, step: ActionStep): Promise<void> {
  if (isTouched(record) && (await adopt(ctx, handle, record, step))) return;
  for (;;) {
    try {
      await attempt(ctx, handle, record, step);
      return;
    } catch (error) {
      if (ctx.signal.aborted || hasCode(error, 'RunTakenOver') || hasCode(error, 'ProofLost')) throw error;
      const failures = (record.object.status?.failures ?? 0) + 1;
      // An intent was stored and the action failed somewhere: for a step that may not be repeated that is the end.
      if (failures >= step.attempts || (step.repeat === 'never' && isTouched(record))) {
        await handle.store(ctx, record, { failures, ...leftBy(record) });
        throw error;
      }
      await handle.store(ctx, record, { failures, ...leftBy(record), message: textOf(error) });
      handle.emit(ctx, 'retry', { record, message: textOf(error) });
      await sleep(ctx, Math.min(backoffMaxMs, observeMs * 2 ** failures));
    }
  }
}

/** What a predecessor, or an earlier round, left in the middle: true when it had its effect. */
async function adopt(ctx: Context, handle: RunHandle, record: StepRecord, step: ActionStep): Promise<boolean> {
  const deadlineMs = ctx.clock.monotonic() + numberOf(step.deadline, handle.options.parameters);
  const acted = stateOf(record) === 'Acted';
  const mark = acted
    ? record.object.status?.mark
    : await patiently(ctx, deadlineMs, () => step.mark?.(ctx, scopeOf(ctx, handle, record)));
  const scope = scopeOf(ctx, handle, record, mark);
  const requested = stateOf(record) === 'Pending';
  const wait = acted || (step.repeat === 'never' && !requested);
  const verdict = wait
    ? await untilProven(ctx, deadlineMs, step, scope)
    : await patiently(ctx, deadlineMs, () => step.proof.observe(ctx, scope));
  if (verdict.ok) {
    await proven(ctx, handle, record, `${verdict.evidence} (found so by a successor)`);
    return true;
  }
  if (step.repeat === 'never' && !requested && verdict.final === 'failed') throw notProven(record, verdict);
  if (step.repeat === 'never' && !requested && verdict.final !== 'not-begun')
    throw runbookErrors.error(
      'StepOutcomeUnknown',
      `step ${stepKey(record)} was begun and may not be done twice: ${verdict.evidence}`,
    );
  return false;
}

async function attempt(ctx: Context, handle: RunHandle, record: StepRecord, step: ActionStep): Promise<void> {
  const timeoutMs = numberOf(step.deadline, handle.options.parameters);
  const deadlineMs = ctx.clock.monotonic() + timeoutMs;
  const scope = scopeOf(ctx, handle, record);
  const ready = await patiently(ctx, deadlineMs, () => step.precondition?.(ctx, scope));
  if (ready?.ok === false)
    throw runbookErrors.error('StepBlocked', `step ${stepKey(record)} cannot begin: ${ready.evidence}`);
  if (step.undo === 'point-of-no-return') await everythingHolds(ctx, handle, 'before no return');
  const before = record.object.status?.before ?? (await patiently(ctx, deadlineMs, () => step.before?.(ctx, scope)));
  await handle.store(ctx, record, {
    state: 'Intended',
    attempt: (record.object.status?.attempt ?? 0) + 1,
    intentAt: kubeMicroTime(ctx.clock.now()),
    before,
    message: undefined,
  });
  try {
    await withTimeout(ctx, timeoutMs, `step ${stepKey(record)}`, (inner) =>
      patiently(inner, deadlineMs, () => step.act(inner, scopeOf(inner, handle, record, markSoFar(record)))),
    );
  } finally {
    handle.questions.delete(questionKey(record) ?? '');
  }
  const mark = record.left ?? (await patiently(ctx, deadlineMs, () => step.mark?.(ctx, scope)));
  await handle.store(ctx, record, { state: 'Acted', actedAt: kubeMicroTime(ctx.clock.now()), mark });
  const fresh = scopeOf(ctx, handle, record, mark);
  const verdict = await untilProven(ctx, deadlineMs, step, fresh);
  if (!verdict.ok) throw notProven(record, verdict);
  await proven(ctx, handle, record, verdict.evidence);
}

/** What the action left, in this attempt or an earlier one. */
const markSoFar = (record: StepRecord): unknown => record.left ?? record.object.status?.mark;
const leftBy = ({ left }: StepRecord): { readonly mark?: unknown } => (left === undefined ? {} : { mark: left });

function untilProven(
  ctx: Context,
  deadlineMs: number,
  { proof }: ActionStep | CheckStep,
  scope: StepScope,
): Promise<Verdict> {
  const { follow } = proof;
  return untilSo(
    ctx,
    deadlineMs,
    () => proof.observe(ctx, scope),
    follow === undefined ? undefined : (wake) => follow(ctx, scope, wake),
  );
}

/**
 * Looks until it is so, or the deadline (by the monotonic clock: wall clocks jump) has passed; at least once. What is not so
 * at once is followed where it can be: a watch begins with what there is, so that nothing is missed between look and watch.
 */
export async function untilSo(
  ctx: Context,
  deadlineMs: number,
  look: () => Promise<Verdict>,
  follow?: (wake: () => void) => Following,
): Promise<Verdict> {
  const bell = new Bell();
  let following: Following | undefined;
  try {
    for (;;) {
      const verdict = await patiently(ctx, deadlineMs, look);
      const leftMs = deadlineMs - ctx.clock.monotonic();
      if (verdict.ok || verdict.final !== undefined || leftMs < observeMs) return verdict;
      following ??= follow?.(() => bell.ring());
      await sleep(ctx, wokenMs);
      await bell.wait(ctx, Math.min(leftMs, following?.alive() === true ? followedMs : observeMs) - wokenMs);
    }
  } finally {
    following?.stop();
  }
}

/** Calls again while the failure is one of the way, until the deadline. */
export async function patiently<T>(ctx: Context, deadlineMs: number, fn: () => Promise<T> | undefined): Promise<T> {
  for (;;) {
    try {
      return (await fn()) as T;
    } catch (error) {
      if (ctx.signal.aborted || !isTransient(error) || ctx.clock.monotonic() + observeMs > deadlineMs) throw error;
      await sleep(ctx, observeMs);
    }
  }
}

async function proven(ctx: Context, handle: RunHandle, record: StepRecord, evidence: string): Promise<void> {
  await handle.store(ctx, record, {
    state: 'Proven',
    provenAt: kubeMicroTime(ctx.clock.now()),
    evidence,
    message: undefined,
  });
}

function notProven(record: StepRecord, verdict: Verdict): Error {
  return runbookErrors.error('StepNotProven', `step ${stepKey(record)} is not proven: ${verdict.evidence}`);
}

/**
 * Looks again at every proof that must hold. Throws ProofLost for the first that does not, which is stored as Failed.
 * When a run goes on, what was lost earlier is about to be made good; before a point of no return it is not good enough.
 */
export async function everythingHolds(
  ctx: Context,
  handle: RunHandle,
  when: 'going on' | 'before no return',
): Promise<void> {
  for (const record of handle.records) {
    if (!mustHold(handle, record) || (when === 'going on' && stateOf(record) !== 'Proven')) continue;
    const verdict = await holds(ctx, handle, record, record.definition as ActionStep);
    if (verdict.ok) continue;
    const message = `step ${stepKey(record)} no longer holds: ${verdict.evidence}`;
    if (stateOf(record) === 'Proven') await handle.store(ctx, record, { state: 'Failed', message });
    throw runbookErrors.error('ProofLost', message);
  }
}

async function holds(ctx: Context, handle: RunHandle, record: StepRecord, step: ActionStep): Promise<Verdict> {
  if (stateOf(record) !== 'Proven') return { ok: false, evidence: 'it was lost and is not yet made good' };
  const deadlineMs = ctx.clock.monotonic() + numberOf(step.deadline, handle.options.parameters);
  const scope: StepScope = scopeOf(ctx, handle, record, record.object.status?.mark);
  return patiently(ctx, deadlineMs, () => step.proof.observe(ctx, scope));
}

/** Proven once, not undone, and the step that ends it not begun. */
function mustHold(handle: RunHandle, record: StepRecord): boolean {
  const { definition, stage, lane, object } = record;
  if (definition.kind !== 'action' || definition.proof.kind !== 'holds') return false;
  if (object.status?.provenAt === undefined || stateOf(record) === 'Undone') return false;
  const end = handle.records.find(
    (one) => one.stage === stage && one.lane === lane && one.definition.id === definition.proof.until,
  );
  return end === undefined || (!isTouched(end) && stateOf(end) !== 'Proven');
}
