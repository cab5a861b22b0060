/**
 * The life of a pod's containers on a node as a machine over time, without any clock: given where it was and what time it
 * is, where it is now and when to look again. All containers of a pod move together.
 */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import type { PodBehaviour } from '../behaviour.ts';

/** Where the containers of a pod are; times in milliseconds of wall time. */
export type PodRun =
  /** Image and sandbox are being prepared. */
  | { readonly phase: 'starting'; readonly sinceMs: number; readonly restarts: number; readonly pulls: number }
  /** The image could not be pulled `pulls` times; the next attempt is at `untilMs`. */
  | {
      readonly phase: 'unpullable';
      readonly sinceMs: number;
      readonly restarts: number;
      readonly pulls: number;
      readonly untilMs: number;
    }
  /** Init containers are at work, wait to be started again, or have failed for good; `restarts` are theirs. */
  | {
      readonly phase: 'init';
      readonly state: 'running' | 'waiting' | 'failed';
      readonly sinceMs: number;
      readonly restarts: number;
      readonly last: Ending | undefined;
      readonly untilMs: number;
    }
  | {
      readonly phase: 'running';
      readonly sinceMs: number;
      readonly restarts: number;
      readonly last: Ending | undefined;
    }
  /** Ended, to be started again after the back-off. */
  | {
      readonly phase: 'waiting';
      readonly sinceMs: number;
      readonly restarts: number;
      readonly last: Ending;
      readonly untilMs: number;
    }
  /** Ended for good. */
  | { readonly phase: 'ended'; readonly sinceMs: number; readonly restarts: number; readonly last: Ending };

/** How a run of the containers ended. */
export interface Ending {
  readonly exitCode: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** Where the machine is, and when it moves by itself. */
export interface Advanced {
  readonly run: PodRun;
  /** When something changes by itself; undefined: never. */
  readonly nextAtMs: number | undefined;
}

const startDelayDefaultMs = 1000;
const readyDelayDefaultMs = 500;
const shutdownDefaultMs = 200;
/** kubelet's restart back-off: 10 s doubling to 5 minutes, forgotten after 10 minutes of running. */
const backoffInitialMs = 10_000;
const backoffMaxMs = 300_000;
const backoffForgottenMs = 600_000;
/** From ErrImagePull to ImagePullBackOff: kubelet's next look at the pod. */
const errorShownMs = 1000;
/** Transitions in one call: a run of 0 ms would never end. */
const stepsMax = 64;

/** Where a pod is that this process has not run yet: from the status that an earlier one wrote, or at its beginning. */
export function resumeRun(pod: Pod, nowMs: number): PodRun {
  const status = pod.status?.containerStatuses?.[0];
  const restarts = status?.restartCount ?? 0;
  const startedMs = parseKubeTime(status?.state?.running?.startedAt);
  if (startedMs !== undefined) return { phase: 'running', sinceMs: startedMs, restarts, last: undefined };
  const ended = status?.state?.terminated;
  if (ended !== undefined) {
    const endedMs = parseKubeTime(ended.finishedAt) ?? nowMs;
    return afterEnding(
      pod,
      { exitCode: ended.exitCode, startedMs: parseKubeTime(ended.startedAt) ?? endedMs, endedMs },
      restarts,
    );
  }
  return { phase: 'starting', sinceMs: nowMs, restarts, pulls: 0 };
}

/** Moves the machine to `nowMs`. */
export function advance(run: PodRun, pod: Pod, behaviour: PodBehaviour, nowMs: number): Advanced {
  let current = run;
  for (let step = 0; step < stepsMax; step++) {
    const change = nextChange(current, pod, behaviour);
    if (change === undefined || change.atMs > nowMs)
      return {
        run: current,
        nextAtMs: earliest([change?.atMs, readyAtMs(current, behaviour), backoffShownAtMs(current)], nowMs),
      };
    current = change.to;
  }
  return { run: current, nextAtMs: nowMs + 1000 };
}

/** Whether the readiness probe succeeds at `nowMs`. */
export function isReady(run: PodRun, behaviour: PodBehaviour, nowMs: number): boolean {
  const atMs = readyAtMs(run, behaviour);
  return atMs !== undefined && atMs <= nowMs;
}

/** When the containers have ended after somebody asked to delete the pod, and how. */
export function shutdownOf(
  pod: Pod,
  behaviour: PodBehaviour,
): { readonly endsAtMs: number; readonly exitCode: number } | undefined {
  const deadlineMs = parseKubeTime(pod.metadata.deletionTimestamp);
  if (deadlineMs === undefined) return undefined;
  const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  const shutdownMs = behaviour.shutdownMs ?? shutdownDefaultMs;
  // The deletionTimestamp is the end of the grace period, in whole seconds.
  return shutdownMs > graceMs
    ? { endsAtMs: deadlineMs, exitCode: 137 }
    : { endsAtMs: deadlineMs - graceMs + shutdownMs, exitCode: 0 };
}

type Phase<P extends PodRun['phase']> = Extract<PodRun, { readonly phase: P }>;

interface Change {
  readonly atMs: number;
  readonly to: PodRun;
}

function nextChange(run: PodRun, pod: Pod, behaviour: PodBehaviour): Change | undefined {
  switch (run.phase) {
    case 'starting': {
      const atMs = run.sinceMs + (behaviour.startDelayMs ?? startDelayDefaultMs);
      return {
        atMs,
        to: pullFails(behaviour, run.pulls) ? unpullable(run, atMs) : afterStart(run, pod, behaviour, atMs),
      };
    }
    case 'unpullable': {
      const { untilMs: atMs, restarts, pulls } = run;
      if (pullFails(behaviour, pulls)) return { atMs, to: unpullable(run, atMs) };
      return { atMs, to: { phase: 'starting', sinceMs: atMs, restarts, pulls } };
    }
    case 'init':
      return nextOfInit(run, pod, behaviour);
    case 'running': {
      const planned = behaviour.runs?.[Math.min(run.restarts, behaviour.runs.length - 1)];
      if (planned === undefined) return undefined;
      const atMs = run.sinceMs + planned.durationMs;
      return {
        atMs,
        to: afterEnding(pod, { exitCode: planned.exitCode, startedMs: run.sinceMs, endedMs: atMs }, run.restarts),
      };
    }
    case 'waiting':
      return {
        atMs: run.untilMs,
        to: { phase: 'running', sinceMs: run.untilMs, restarts: run.restarts + 1, last: run.last },
      };
    case 'ended':
      break;
  }
  return undefined;
}

function pullFails({ imagePullFails = false }: PodBehaviour, pulls: number): boolean {
  return typeof imagePullFails === 'number' ? pulls < imagePullFails : imagePullFails;
}

function unpullable({ restarts, pulls }: Phase<'starting' | 'unpullable'>, sinceMs: number): PodRun {
  return { phase: 'unpullable', sinceMs, restarts, pulls: pulls + 1, untilMs: sinceMs + backoffMs(pulls) };
}

/** From the containers' images being there: init containers first, where the behaviour says how they end. */
function afterStart({ restarts }: Phase<'starting'>, pod: Pod, behaviour: PodBehaviour, sinceMs: number): PodRun {
  const waits = (pod.spec.initContainers ?? []).length > 0 && (behaviour.initRuns ?? []).length > 0;
  if (!waits) return { phase: 'running', sinceMs, restarts, last: undefined };
  return { phase: 'init', state: 'running', sinceMs, restarts: 0, last: undefined, untilMs: sinceMs };
}

function nextOfInit(run: Phase<'init'>, pod: Pod, { initRuns = [] }: PodBehaviour): Change | undefined {
  if (run.state === 'failed') return undefined;
  if (run.state === 'waiting')
    return { atMs: run.untilMs, to: { ...run, state: 'running', sinceMs: run.untilMs, restarts: run.restarts + 1 } };
  const planned = initRuns[Math.min(run.restarts, initRuns.length - 1)];
  if (planned === undefined) return undefined;
  const atMs = run.sinceMs + planned.durationMs;
  if (planned.exitCode === 0) return { atMs, to: { phase: 'running', sinceMs: atMs, restarts: 0, last: undefined } };
  const last = { exitCode: planned.exitCode, startedMs: run.sinceMs, endedMs: atMs };
  const state = pod.spec.restartPolicy === 'Never' ? 'failed' : 'waiting';
  const untilMs = atMs + (run.restarts === 0 ? 0 : backoffMs(run.restarts - 1));
  return { atMs, to: { phase: 'init', state, sinceMs: atMs, restarts: run.restarts, last, untilMs } };
}

/** After so many failures before this one. */
const backoffMs = (before: number): number => Math.min(backoffMaxMs, backoffInitialMs * 2 ** Math.min(before, 30));

/** Whether the containers have been there: then the pod has an address. */
export function hasStarted(run: PodRun): boolean {
  return run.phase !== 'starting' && run.phase !== 'unpullable' && run.phase !== 'init';
}

/** A failed pull is shown as it failed first, and as waiting from then on. */
export function backoffShownAtMs(run: PodRun): number | undefined {
  return run.phase === 'unpullable' ? run.sinceMs + errorShownMs : undefined;
}

function afterEnding(pod: Pod, last: Ending, restarts: number): PodRun {
  const policy = pod.spec.restartPolicy ?? 'Always';
  if (policy === 'Never' || (policy === 'OnFailure' && last.exitCode === 0))
    return { phase: 'ended', sinceMs: last.endedMs, restarts, last };
  // The first restart is immediate; a long run is forgiven.
  const forgiven = last.endedMs - last.startedMs >= backoffForgottenMs;
  const delayMs = restarts === 0 || forgiven ? 0 : backoffMs(restarts - 1);
  return { phase: 'waiting', sinceMs: last.endedMs, restarts, last, untilMs: last.endedMs + delayMs };
}

function readyAtMs(run: PodRun, behaviour: PodBehaviour): number | undefined {
  if (run.phase !== 'running' || behaviour.readyDelayMs === 'never') return undefined;
  return run.sinceMs + (behaviour.readyDelayMs ?? readyDelayDefaultMs);
}

function earliest(times: readonly (number | undefined)[], nowMs: number): number | undefined {
  const coming = times.filter((at): at is number => at !== undefined && at > nowMs);
  return coming.length === 0 ? undefined : Math.min(...coming);
}
