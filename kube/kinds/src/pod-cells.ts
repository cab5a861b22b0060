/** READY, STATUS and RESTARTS of a pod (printPod of pkg/printers/internalversion). */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { age } from './ages.ts';
import { isObject, isTrue, objects, text } from './cells.ts';
import { at } from './columns.ts';

export interface PodSummary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

interface Containers {
  readonly ready: number;
  readonly restarts: number;
  /** RFC 3339 of the last termination; empty when there is none. */
  readonly lastRestart: string;
  readonly reason: string;
}

const restartsOf = (status: JsonObject): number => Number(at(status, 'restartCount') ?? 0);
const lastEnd = (status: JsonObject): string => text(status, 'lastState', 'terminated', 'finishedAt');
const later = (a: string, b: string): string => (Date.parse(b) > (Date.parse(a) || 0) ? b : a);

function endReason(terminated: JsonObject): string {
  const reason = text(terminated, 'reason');
  if (reason !== '') return reason;
  const signal = at(terminated, 'signal');
  return typeof signal === 'number' && signal !== 0
    ? `Signal:${signal}`
    : `ExitCode:${text(terminated, 'exitCode') || '0'}`;
}

/** Init containers that never end: sidecars. */
const isSidecar = (container: JsonObject | undefined): boolean => container?.['restartPolicy'] === 'Always';

/** What an init container says of the pod; undefined when it is done or a running sidecar. */
function initReason(status: JsonObject, sidecar: boolean, place: string): string | undefined {
  const terminated = at(status, 'state', 'terminated');
  if (isObject(terminated)) {
    return at(terminated, 'exitCode') === 0 ? undefined : `Init:${endReason(terminated)}`;
  }
  if (sidecar && at(status, 'started') === true) return undefined;
  const waiting = text(status, 'state', 'waiting', 'reason');
  return waiting !== '' && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${place}`;
}

function initSummary(pod: JsonObject): { readonly all: Containers; readonly sidecars: Containers } {
  const specs = objects(pod, 'spec', 'initContainers');
  let [restarts, sidecarRestarts, ready, reason] = [0, 0, 0, ''];
  let [last, sidecarLast] = ['', ''];
  for (const [index, status] of objects(pod, 'status', 'initContainerStatuses').entries()) {
    const sidecar = isSidecar(specs.find((spec) => spec['name'] === status['name']));
    restarts += restartsOf(status);
    last = later(last, lastEnd(status));
    if (sidecar) {
      sidecarRestarts += restartsOf(status);
      sidecarLast = later(sidecarLast, lastEnd(status));
    }
    const found = initReason(status, sidecar, `${index}/${specs.length}`);
    if (found !== undefined) {
      reason = found;
      break;
    }
    if (sidecar && at(status, 'ready') === true && !isObject(at(status, 'state', 'terminated'))) ready += 1;
  }
  return {
    all: { ready, restarts, lastRestart: last, reason },
    sidecars: { ready, restarts: sidecarRestarts, lastRestart: sidecarLast, reason },
  };
}

function mainSummary(pod: JsonObject, start: Containers, phase: string): Containers {
  let { ready, restarts, lastRestart } = start;
  let [reason, failed, running] = [phase, '', false];
  for (const status of objects(pod, 'status', 'containerStatuses').toReversed()) {
    restarts += restartsOf(status);
    lastRestart = later(lastRestart, lastEnd(status));
    const waiting = text(status, 'state', 'waiting', 'reason');
    const terminated = at(status, 'state', 'terminated');
    if (waiting !== '') reason = waiting;
    else if (isObject(terminated)) {
      reason = endReason(terminated);
      if (at(terminated, 'exitCode') !== 0) failed = reason;
    } else if (at(status, 'ready') === true && isObject(at(status, 'state', 'running'))) {
      running = true;
      ready += 1;
    }
  }
  if (reason === 'Completed') {
    if (running && isTrue(pod, 'Ready')) reason = 'Running';
    else if (failed !== '') reason = failed;
    else if (running) reason = 'NotReady';
  }
  return { ready, restarts, lastRestart, reason };
}

function phaseOf(pod: JsonObject): string {
  const gated = objects(pod, 'status', 'conditions').some(
    (one) => one['type'] === 'PodScheduled' && one['reason'] === 'SchedulingGated',
  );
  return gated ? 'SchedulingGated' : text(pod, 'status', 'reason') || text(pod, 'status', 'phase');
}

function deletingStatus(pod: JsonObject): string | undefined {
  if (at(pod, 'metadata', 'deletionTimestamp') === undefined) return undefined;
  if (text(pod, 'status', 'reason') === 'NodeLost') return 'Unknown';
  const phase = text(pod, 'status', 'phase');
  return phase === 'Succeeded' || phase === 'Failed' ? undefined : 'Terminating';
}

/** The three cells of a pod that need all its containers. */
export function summarizePod(pod: JsonObject, nowMs: number): PodSummary {
  const init = initSummary(pod);
  const initializing = init.all.reason !== '' && !isTrue(pod, 'Initialized');
  const state = initializing ? init.all : mainSummary(pod, init.sidecars, phaseOf(pod));
  const sidecars = objects(pod, 'spec', 'initContainers').filter(isSidecar).length;
  const total = objects(pod, 'spec', 'containers').length + sidecars;
  const ago = state.restarts > 0 && state.lastRestart !== '' ? ` (${age(state.lastRestart, nowMs)} ago)` : '';
  return {
    ready: `${state.ready}/${total}`,
    status: deletingStatus(pod) ?? state.reason,
    restarts: `${state.restarts}${ago}`,
  };
}

/** `1/2` of the readiness gates are true, or `<none>`. */
export function readinessGates(pod: JsonObject): string {
  const gates = objects(pod, 'spec', 'readinessGates');
  if (gates.length === 0) return '<none>';
  return `${gates.filter((gate) => isTrue(pod, text(gate, 'conditionType'))).length}/${gates.length}`;
}
