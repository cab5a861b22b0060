/** Taking a run over: the epoch first, then every record that a predecessor may still write; the targets follow (claims.ts). */
import type { Context } from '@polyanthus/ground-base/context';
import { runLabel, runs, runSteps, type Run, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import { productVersion } from '@polyanthus/ground-base/version';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { digestOf } from './digest.ts';
import { runbookErrors } from './errors.ts';
import { isTouched, RunHandle, stateOf, type HandleOptions, type StepRecord } from './handle.ts';
import { slide } from './lanes.ts';
import { planOf, stepName, stepObject } from './plan.ts';
import type { Runbook } from './runbook.ts';

/** Writes at once. */
const parallel = 16;

/** Whether the run was begun with this edition of the runbook and the engine. */
export function isSameEdition({ spec }: Run, runbook: Runbook): boolean {
  return spec.digest === digestOf(runbook) && spec.engineVersion === productVersion;
}

/** Refuses a run that was begun with another edition. Throws RunbookDigestMismatch. */
export function refuseOtherEdition(run: Run, runbook: Runbook): void {
  if (isSameEdition(run, runbook)) return;
  const digest = digestOf(runbook);
  throw runbookErrors.error(
    'RunbookDigestMismatch',
    `run ${run.metadata.name ?? ''} needs runbook ${run.spec.runbook} of digest ${run.spec.digest.slice(0, 12)} and engine ${run.spec.engineVersion}; this program has ${digest.slice(0, 12)} and ${productVersion}`,
  );
}

/** Makes this executor the one of the run. Errors: RunbookDigestMismatch, RunTakenOver, Conflict when the run changed meanwhile. */
export async function takeOver(ctx: Context, run: Run, holder: string, options: HandleOptions): Promise<RunHandle> {
  refuseOtherEdition(run, options.runbook);
  const handle = await stampRun(ctx, run, holder, options);
  await loadRecords(ctx, handle);
  await stampRecords(ctx, handle);
  return handle;
}

/** Raises the epoch; the handle knows no steps yet. Errors: Conflict when the run changed meanwhile. */
export async function stampRun(ctx: Context, run: Run, holder: string, options: HandleOptions): Promise<RunHandle> {
  const requested = (run.spec.resumes ?? 0) > (run.status?.resumes ?? 0);
  const { endedAt: _ended, ...before } = run.status ?? {};
  const status = {
    ...before,
    ...nextDirection(run, requested),
    phase: 'Running' as const,
    message: '',
    epoch: (run.status?.epoch ?? 0) + 1,
    holder,
    startedAt: run.status?.startedAt ?? kubeTime(ctx.clock.now()),
  };
  const stamped = await options.runsClient.update(ctx, runs, { ...run, status }, { subresource: 'status' });
  const handle = new RunHandle(stamped, options);
  handle.emit(ctx, 'taken', { message: `by ${holder}` });
  return handle;
}

/** A run that was undone goes forward when it is resumed; any other keeps its direction. */
function nextDirection(run: Run, requested: boolean): { readonly direction: 'forward' | 'back' } {
  const { direction = 'forward', phase } = run.status ?? {};
  return { direction: requested && phase === 'Undone' ? 'forward' : direction };
}

async function loadRecords(ctx: Context, handle: RunHandle): Promise<void> {
  const { runsClient, runbook, parameters } = handle.options;
  const { name = '', namespace } = handle.run.metadata;
  const found = await runsClient.listAll(ctx, runSteps, { namespace, labelSelector: `${runLabel}=${name}` });
  const known = new Map(found.items.map((object) => [object.metadata.name ?? '', object]));
  const planned = planOf(runbook, parameters, handle.run.spec.targets).flatMap((stage) => stage.lanes.flat());
  const objects = new Map<number, RunStep>();
  await slide(planned, parallel, async (step) => {
    const object = known.get(stepName(name, step.order)) ?? (await create(ctx, handle, stepObject(handle.run, step)));
    objects.set(step.order, object);
  });
  for (const step of planned) handle.records.push({ ...step, object: objects.get(step.order) as RunStep });
}

async function create(ctx: Context, handle: RunHandle, object: RunStep): Promise<RunStep> {
  const { runsClient } = handle.options;
  try {
    return await runsClient.create(ctx, runSteps, object);
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    const { name = '', namespace } = object.metadata;
    return runsClient.get(ctx, runSteps, { namespace, name });
  }
}

const inFlight = new Set(['Intended', 'Acted', 'UndoIntended', 'UndoActed']);

async function stampRecords(ctx: Context, handle: RunHandle): Promise<void> {
  const open = handle.records.filter((record) => inFlight.has(stateOf(record)));
  await slide(open, parallel, (record: StepRecord) => handle.store(ctx, record, {}));
}

/** A request to resume has red steps begun again. It counts as served only when they are. */
export async function serveResume(ctx: Context, handle: RunHandle): Promise<void> {
  if ((handle.run.spec.resumes ?? 0) <= (handle.run.status?.resumes ?? 0)) return;
  await resetRed(ctx, handle);
  await handle.updateRun(ctx, () => ({ resumes: handle.run.spec.resumes, rounds: 0 }));
}

/** Pending with an attempt is a step that somebody asked to begin again. */
export async function resetRed(ctx: Context, handle: RunHandle): Promise<void> {
  const red = handle.records.filter((record) => stateOf(record) === 'Failed');
  await slide(red, parallel, (record) =>
    handle.store(ctx, record, { state: 'Pending', failures: 0, kept: undefined, message: undefined }),
  );
}

/** Whether a red step may not be begun again without being asked. */
export function needsAsking(handle: RunHandle): boolean {
  return handle.records.some(
    (record) =>
      stateOf(record) === 'Failed' &&
      record.definition.kind === 'action' &&
      record.definition.repeat === 'never' &&
      isTouched(record),
  );
}
