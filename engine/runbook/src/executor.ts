/**
 * Carries a run out: waits for its lease, takes it over, works through its steps, follows its policy at red, and leaves it
 * in a phase that says how it ended. Any number of executors may try; one works.
 */
import { sleep, throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { leases } from '@polyanthus/kube-kinds/core';
import { runs, type Run, type RunPhase } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import { runWhenLeading } from '@polyanthus/kube-runtime/leader';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { beyondReturn } from './backward.ts';
import { claimTargets, releaseTargets } from './claims.ts';
import { countOf } from './control.ts';
import { isTransient, redText } from './failures.ts';
import { isTouched, type RunEvent, type RunHandle } from './handle.ts';
import { readParameters } from './parameters.ts';
import type { Runbook } from './runbook.ts';
import { findRunbook, unknownStep } from './runbooks.ts';
import { releaseSteps } from './release.ts';
import { recordsAfter, runSession, type Outcome } from './session.ts';
import {
  isSameEdition,
  needsAsking,
  refuseOtherEdition,
  resetRed,
  serveResume,
  stampRun,
  takeOver,
} from './takeover.ts';

/** One executor. */
export interface ExecutorOptions {
  /** Of the API that holds the Run. */
  readonly runsClient: KubeClient;
  /** Of the cluster that is worked on; the same where the Run lives there. */
  readonly clusterClient: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly runbooks: readonly Runbook[];
  /** Unique among executors. */
  readonly identity: string;
  readonly random: Random;
  /** Asked before the run is taken over; where it says no, the run is left as it is. Absent: always yes. */
  readonly accept?: (run: Run) => boolean;
  /** Everything that happens, for the log. */
  readonly onEvent?: (event: RunEvent) => void;
}

const retryMs = 2000;
/** Before the red steps are begun again by policy. */
const roundMs = 30_000;
const defaultRounds = 3;
/** Steps that a message names. */
const keptMax = 3;

/**
 * Resolves with the run when nothing is left to do or it waits for a request (Failed). Errors: RunbookUnknown,
 * RunbookDigestMismatch, RunTakenOver, Cancelled; after a cancel the run goes on where it stopped.
 */
export async function executeRun(ctx: Context, options: ExecutorOptions): Promise<Run> {
  const { runsClient: client, namespace, identity, random } = options;
  const lease = { client, namespace, name: leaseName(options.name), identity, random };
  for (;;) {
    let ended: Run | undefined;
    try {
      await runWhenLeading(ctx, lease, async (leading) => {
        ended = await lead(leading, options);
      });
    } catch (error) {
      // The API was away, or this process stood still: wait to lead again, and look what became of the run.
      if (
        ctx.signal.aborted ||
        !(hasCode(error, 'LeadershipLost') || isTransient(error) || isStatus(error, 'Conflict'))
      )
        throw error;
    }
    throwIfCancelled(ctx);
    if (ended !== undefined) return hasWork(ended) ? ended : forgetLease(ctx, options, ended);
    await sleep(ctx, retryMs);
  }
}

/** The Lease of a run. */
export function leaseName(run: string): string {
  return `runbook-${run}`;
}

async function forgetLease(ctx: Context, options: ExecutorOptions, ended: Run): Promise<Run> {
  const key = { namespace: options.namespace, name: leaseName(options.name) };
  await options.runsClient.delete(ctx, leases, key).catch((error: unknown) => {
    if (!isStatus(error, 'NotFound')) ctx.log.warn('the lease of a run that ended stays', { run: options.name, error });
  });
  return ended;
}

async function lead(ctx: Context, options: ExecutorOptions): Promise<Run> {
  const { runsClient, clusterClient, namespace, name } = options;
  const run = await runsClient.get(ctx, runs, { namespace, name });
  if (!hasWork(run) || options.accept?.(run) === false) return run;
  if (run.spec.abort === true && !isKnown(run, options.runbooks)) return abortOtherEdition(ctx, run, options);
  const runbook = findRunbook(options.runbooks, run.spec.runbook);
  refuseOtherEdition(run, runbook);
  const parameters = readParameters(runbook.id, runbook.parameters, run.spec.parameters ?? {});
  const handleOptions = { runsClient, clusterClient, runbook, parameters, onEvent: options.onEvent };
  const handle = await takeOver(ctx, run, options.identity, handleOptions);
  try {
    await claimTargets(ctx, handle);
  } catch (error) {
    if (!hasCode(error, 'TargetClaimed')) throw error;
    return refusedByClaim(ctx, handle, redText(error));
  }
  await serveResume(ctx, handle);
  return drive(ctx, handle, run.status?.phase);
}

const isKnown = (run: Run, runbooks: readonly Runbook[]): boolean =>
  runbooks.some((one) => one.id === run.spec.runbook && isSameEdition(run, one));

/** To stop for good and to let go of the targets needs nothing of the runbook: any edition can. */
async function abortOtherEdition(ctx: Context, run: Run, options: ExecutorOptions): Promise<Run> {
  const { runsClient, clusterClient, identity, onEvent } = options;
  const { runbook: id, digest, resumes, undo } = run.spec;
  const runbook = { id, version: digest, title: id, parameters: [], targets: () => Promise.resolve([]), stages: [] };
  const handle = await stampRun(ctx, run, identity, { runsClient, clusterClient, runbook, parameters: {}, onEvent });
  await releaseTargets(ctx, handle);
  const message = 'aborted by request, by a program of another edition; what was done stays';
  await handle.updateRun(ctx, () => ({
    phase: 'Aborted',
    message,
    ...(resumes && { resumes }),
    ...(undo && { undos: undo.number }),
    waitingFor: [],
    endedAt: kubeTime(ctx.clock.now()),
  }));
  handle.emit(ctx, 'Aborted', { message });
  return handle.run;
}

/** What was asked of the run is answered by this, or it would be tried for ever; to abort it needs no target. */
async function refusedByClaim(ctx: Context, handle: RunHandle, message: string): Promise<Run> {
  const { resumes, undo, abort: aborting } = handle.run.spec;
  await handle.updateRun(ctx, () => ({ ...(resumes && { resumes }), ...(undo && { undos: undo.number }) }));
  return aborting === true ? abort(ctx, handle) : fail(ctx, handle, message);
}

const stopped: readonly (RunPhase | undefined)[] = ['Succeeded', 'Failed', 'Aborted', 'Undone'];

/** Whether an executor has anything to do for the run. */
export function hasWork(run: Run): boolean {
  const { spec, status } = run;
  if (!stopped.includes(status?.phase)) return true;
  if ((spec.resumes ?? 0) > (status?.resumes ?? 0) && status?.phase !== 'Succeeded') return true;
  if (undoAsked(run)) return true;
  return spec.abort === true && status?.phase === 'Failed';
}

function undoAsked({ spec, status }: Run): boolean {
  return (spec.undo?.number ?? 0) > (status?.undos ?? 0);
}

/** `before` is the phase that it was found in. */
async function drive(ctx: Context, handle: RunHandle, before: RunPhase | undefined): Promise<Run> {
  let outcome: Outcome = undoAsked(handle.run) ? { kind: 'undo' } : await runSession(ctx, handle);
  for (;;) {
    const ended = await decide(ctx, handle, outcome, before);
    if (ended !== undefined) return ended;
    outcome = await runSession(ctx, handle);
  }
}

/** What follows: the run as it ended, or undefined to go on. */
async function decide(
  ctx: Context,
  handle: RunHandle,
  outcome: Outcome,
  before: RunPhase | undefined,
): Promise<Run | undefined> {
  const back = handle.run.status?.direction === 'back';
  switch (outcome.kind) {
    case 'done':
      return finish(ctx, handle, back ? 'Undone' : 'Succeeded', '');
    case 'abort':
      return abort(ctx, handle);
    case 'undo':
      return serveUndo(ctx, handle, before);
    case 'red':
      return back ? fail(ctx, handle, outcome.message) : followPolicy(ctx, handle, outcome.message);
    default:
      return outcome satisfies never;
  }
}

/** Turns back as asked; where there is no way back, the run stays what it was, and says so. */
async function serveUndo(ctx: Context, handle: RunHandle, before: RunPhase | undefined): Promise<Run | undefined> {
  const { to, number = 0 } = handle.run.spec.undo ?? {};
  const refusal = unknownStep(handle.options.runbook, to) ?? beyondReturn(handle, recordsAfter(handle, to));
  if (refusal === undefined) {
    await turnBack(ctx, handle, to, { undos: number, message: '' });
    return undefined;
  }
  await handle.updateRun(ctx, () => ({ undos: number }));
  if (before === undefined || before === 'Failed' || !stopped.includes(before))
    return fail(ctx, handle, refusal.message);
  return finish(ctx, handle, before, refusal.message);
}

async function followPolicy(ctx: Context, handle: RunHandle, message: string): Promise<Run | undefined> {
  const { policy = 'stop', undoTo, rounds = defaultRounds } = handle.run.spec.onRed ?? {};
  handle.emit(ctx, 'red', { message });
  if (policy === 'undo') {
    const refusal = beyondReturn(handle, recordsAfter(handle, undoTo));
    if (refusal !== undefined) return fail(ctx, handle, `${message}; ${refusal.message}`);
    await turnBack(ctx, handle, undoTo, { message });
    return undefined;
  }
  const used = handle.run.status?.rounds ?? 0;
  if (policy === 'stop' || used >= rounds || needsAsking(handle)) return fail(ctx, handle, message);
  await sleep(ctx, roundMs);
  await handle.updateRun(ctx, () => ({ rounds: used + 1, message }));
  await resetRed(ctx, handle);
  return undefined;
}

async function turnBack(
  ctx: Context,
  handle: RunHandle,
  to: string | undefined,
  more: { readonly undos?: number; readonly message: string },
): Promise<void> {
  handle.emit(ctx, 'turned back', { message: to === undefined ? 'to the beginning' : `to ${to}` });
  await handle.updateRun(ctx, () => ({ direction: 'back', phase: 'Undoing', undoTo: to, ...more }));
}

/** Claims stay when the targets are in the middle of something; where nothing was touched, they keep nobody away. */
async function fail(ctx: Context, handle: RunHandle, message: string): Promise<Run> {
  if (!handle.records.some(isTouched)) await releaseTargets(ctx, handle);
  return end(ctx, handle, 'Failed', message);
}

async function finish(ctx: Context, handle: RunHandle, phase: RunPhase, message: string): Promise<Run> {
  const { open, kept } = await releaseSteps(ctx, handle, 'ended');
  await releaseTargets(ctx, handle);
  const said = message === '' ? (handle.run.status?.message ?? '') : message;
  return end(ctx, handle, phase, withKept(said, [...open, ...kept]));
}

/** Where something may still go on the run is red, and keeps its targets: asked to abort or undo, it is tried again. */
async function abort(ctx: Context, handle: RunHandle): Promise<Run> {
  const { open, kept } = await releaseSteps(ctx, handle, 'aborted');
  if (open.length > 0) return fail(ctx, handle, withKept(`asked to abort, but ${firstOf(open)}`, kept));
  await releaseTargets(ctx, handle);
  return end(ctx, handle, 'Aborted', withKept('aborted by request; what was done stays', kept));
}

const firstOf = (lines: readonly string[]): string => lines.slice(0, keptMax).join('; ');

function withKept(message: string, kept: readonly string[]): string {
  if (kept.length === 0) return message;
  return `${message === '' ? '' : `${message}; `}not given back: ${firstOf(kept)}`;
}

async function end(ctx: Context, handle: RunHandle, phase: RunPhase, message: string): Promise<Run> {
  await handle.updateRun(ctx, () => ({
    phase,
    message,
    steps: countOf(handle.records),
    waitingFor: [],
    endedAt: kubeTime(ctx.clock.now()),
  }));
  handle.emit(ctx, phase, message === '' ? {} : { message });
  return handle.run;
}
