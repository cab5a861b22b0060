/**
 * The end of a run for what its steps hold outside of the cluster (a claim on a host): it is given back. Of a run that is
 * aborted, what a step began there and still goes on is ended first, or it is said that it may still go on.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { patiently } from './forward.ts';
import { redText } from './failures.ts';
import { stateOf, type RunHandle, type StepRecord } from './handle.ts';
import { slide } from './lanes.ts';
import { stepKey } from './plan.ts';
import type { ActionStep, RunEnding, Verdict } from './runbook.ts';
import { scopeOf } from './scope.ts';

/** Lanes at once. */
const parallel = 16;
/** For each step: a host that is away longer keeps what it has. */
const releaseMs = 60_000;

/** What could not be given back, one line for each step. */
export interface NotReleased {
  /** Of steps in the middle of something that may still go on. */
  readonly open: readonly string[];
  /** Of steps that are done: nothing goes on, and a later run takes over what is left. */
  readonly kept: readonly string[];
}

type Releasing = ActionStep & Required<Pick<ActionStep, 'release'>>;

/** Releases every step that was ever begun, the later ones of a lane first. Errors: RunTakenOver, Cancelled. */
export async function releaseSteps(ctx: Context, handle: RunHandle, ending: RunEnding): Promise<NotReleased> {
  const lanes = Map.groupBy(handle.records.filter(holdsSomething), ({ stage, lane }) => `${stage}/${lane}`);
  const [open, kept]: [string[], string[]] = [[], []];
  await slide([...lanes.values()], parallel, async (lane) => {
    for (const record of lane.toReversed()) {
      const message = await releaseStep(ctx, handle, record, ending);
      if (message !== undefined) (isSettled(record) ? kept : open).push(message);
    }
  });
  return { open, kept };
}

/** Undone steps too: what they hold is not given back by their undo. */
const holdsSomething = ({ definition, object }: StepRecord): boolean =>
  definition.kind === 'action' && definition.release !== undefined && (object.status?.attempt ?? 0) > 0;

const isSettled = (record: StepRecord): boolean => ['Proven', 'Undone'].includes(stateOf(record));

/** Why it could not be released, or undefined. */
async function releaseStep(
  ctx: Context,
  handle: RunHandle,
  record: StepRecord,
  ending: RunEnding,
): Promise<string | undefined> {
  const { act, otherwise } = (record.definition as Releasing).release;
  const deadlineMs = ctx.clock.monotonic() + releaseMs;
  let verdict: Verdict;
  try {
    verdict = await patiently(ctx, deadlineMs, () => act(ctx, scopeOf(ctx, handle, record), ending));
  } catch (error) {
    if (ctx.signal.aborted || hasCode(error, 'RunTakenOver')) throw error;
    const cause = redText(error, stepKey(record));
    if (isSettled(record)) {
      handle.emit(ctx, 'note', { record, message: cause });
      return cause;
    }
    const message = `${otherwise(scopeOf(ctx, handle, record))}: ${cause}`;
    await handle.store(ctx, record, { state: 'Failed', message });
    return message;
  }
  // What was ended by an abort is not found in the middle by whoever resumes the run: that is asked to do it again.
  if (!isSettled(record) && !verdict.ok)
    await handle.store(ctx, record, { state: 'Failed', message: verdict.evidence });
  return undefined;
}
