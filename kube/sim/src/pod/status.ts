/** The status that a kubelet writes for a pod whose containers are where the machine says. */
import type { Container, ContainerStatus, Pod, PodCondition } from '@polyanthus/kube-kinds/core';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { backoffShownAtMs, hasStarted, type Ending, type PodRun } from './run.ts';

type Status = NonNullable<Pod['status']>;
type State = NonNullable<ContainerStatus['state']>;

/** What a pod status is computed from. */
export interface StatusInput {
  readonly pod: Pod;
  readonly run: PodRun;
  readonly ready: boolean;
  readonly hostIp: string;
  readonly podIp: string | undefined;
  readonly nowMs: number;
}

/** Fields that are not the kubelet's (qosClass, reasons of others) stay. */
export function podStatus(input: StatusInput): Status {
  const { pod, run, hostIp, podIp, nowMs } = input;
  const phase = phaseOf(run);
  const address = podIp ?? pod.status?.podIP;
  return {
    ...pod.status,
    phase,
    conditions: conditions(input, phase),
    hostIP: hostIp,
    ...({ hostIPs: [{ ip: hostIp }] } as object),
    ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? kubeTime(nowMs),
    containerStatuses: pod.spec.containers.map((container) => containerStatus(container, input)),
    ...(pod.spec.initContainers === undefined ? {} : { initContainerStatuses: initStatuses(pod, run) }),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf(run: PodRun): NonNullable<Status['phase']> {
  if (run.phase === 'init' && run.state === 'failed') return 'Failed';
  if (!hasStarted(run)) return 'Pending';
  if (run.phase !== 'ended') return 'Running';
  return run.last.exitCode === 0 ? 'Succeeded' : 'Failed';
}

function conditions(input: StatusInput, phase: string): readonly PodCondition[] {
  const { pod, run, ready } = input;
  const started = run.phase === 'init' ? run.state !== 'failed' : hasStarted(run);
  const names = pod.spec.containers.map((container) => container.name).join(' ');
  const unready = {
    reason: phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : 'ContainersNotReady',
    ...(phase === 'Succeeded' ? {} : { message: `containers with unready status: [${names}]` }),
  };
  const wanted: Omit<PodCondition, 'lastTransitionTime'>[] = [
    { type: 'PodReadyToStartContainers', status: started && run.phase !== 'ended' ? 'True' : 'False' },
    initialized(pod, run),
    { type: 'Ready', status: ready ? 'True' : 'False', ...(ready ? {} : unready) },
    { type: 'ContainersReady', status: ready ? 'True' : 'False', ...(ready ? {} : unready) },
    { type: 'PodScheduled', status: 'True' },
  ];
  const known = pod.status?.conditions ?? [];
  const others = known.filter((condition) => !wanted.some((each) => each.type === condition.type));
  return [...wanted.map((condition) => timed(condition, known, input.nowMs)), ...others];
}

function initialized({ spec: { initContainers = [] } }: Pod, run: PodRun): Omit<PodCondition, 'lastTransitionTime'> {
  if (run.phase !== 'init') return { type: 'Initialized', status: 'True' };
  const names = initContainers.map((container) => container.name).join(' ');
  const message = `containers with incomplete status: [${names}]`;
  return { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized', message };
}

function timed(
  wanted: Omit<PodCondition, 'lastTransitionTime'>,
  known: readonly PodCondition[],
  nowMs: number,
): PodCondition {
  const before = known.find((condition) => condition.type === wanted.type);
  return {
    ...wanted,
    lastTransitionTime:
      before?.status === wanted.status ? (before.lastTransitionTime ?? kubeTime(nowMs)) : kubeTime(nowMs),
  };
}

function containerStatus(
  container: Container,
  { pod, run, ready, nowMs }: StatusInput,
): ContainerStatus & { readonly lastState?: State } {
  const endedBefore = 'last' in run && run.last !== undefined && run.phase !== 'ended' && run.phase !== 'init';
  const created = hasStarted(run);
  return {
    name: container.name,
    state: stateOf(container, run, nowMs),
    // Written when empty too, as the server keeps it: a status that is read back must not look like a change.
    lastState: endedBefore ? { terminated: terminated(run.last) } : {},
    ready,
    started: run.phase === 'running',
    restartCount: run.phase === 'init' ? 0 : run.restarts,
    image: container.image ?? '',
    imageID: created ? (container.image ?? '') : '',
    ...(created ? { containerID: `containerd://${pod.metadata.uid ?? ''}-${container.name}-${run.restarts}` } : {}),
  };
}

function stateOf(container: Container, run: PodRun, nowMs: number): State {
  switch (run.phase) {
    case 'starting':
      return { waiting: { reason: 'ContainerCreating' } };
    case 'unpullable':
      return pullState(container, nowMs >= (backoffShownAtMs(run) ?? 0));
    case 'init':
      return { waiting: { reason: 'PodInitializing' } };
    case 'running':
      return { running: { startedAt: kubeTime(run.sinceMs) } };
    case 'waiting': {
      const delaySeconds = Math.round((run.untilMs - run.sinceMs) / 1000);
      return {
        waiting: {
          reason: 'CrashLoopBackOff',
          message: `back-off ${delaySeconds}s restarting failed container=${container.name}`,
        },
      };
    }
    case 'ended':
      break;
  }
  return { terminated: terminated(run.last) };
}

function pullState({ image = '' }: Container, waits: boolean): State {
  return {
    waiting: waits
      ? { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}"` }
      : { reason: 'ErrImagePull', message: `failed to pull and unpack image "${image}": not found` },
  };
}

function terminated(ending: Ending): NonNullable<State['terminated']> {
  return {
    exitCode: ending.exitCode,
    reason: ending.exitCode === 0 ? 'Completed' : 'Error',
    startedAt: kubeTime(ending.startedMs),
    finishedAt: kubeTime(ending.endedMs),
  };
}

/** Init containers move together; outside of the phase `init` they wait for the start, or have ended well. */
function initStatuses(pod: Pod, run: PodRun): readonly object[] {
  const done = hasStarted(run);
  return (pod.spec.initContainers ?? []).map((container, index) => ({
    name: container.name,
    ready: done,
    started: run.phase === 'init' && run.state === 'running',
    restartCount: run.phase === 'init' ? run.restarts : knownRestarts(pod, index),
    image: container.image ?? '',
    imageID: done || run.phase === 'init' ? (container.image ?? '') : '',
    state: initState(container, pod, run),
    lastState:
      run.phase === 'init' && run.last !== undefined && run.state !== 'failed'
        ? { terminated: terminated(run.last) }
        : {},
  }));
}

function knownRestarts({ status }: Pod, index: number): number {
  const known = (status as { readonly initContainerStatuses?: readonly ContainerStatus[] } | undefined)
    ?.initContainerStatuses;
  return known?.[index]?.restartCount ?? 0;
}

function initState(container: Container, pod: Pod, run: PodRun): State {
  if (run.phase === 'init') {
    if (run.state === 'running' || run.last === undefined) return { running: { startedAt: kubeTime(run.sinceMs) } };
    if (run.state === 'failed') return { terminated: terminated(run.last) };
    const seconds = Math.round((run.untilMs - run.sinceMs) / 1000);
    const message = `back-off ${seconds}s restarting failed container=${container.name}`;
    return { waiting: { reason: 'CrashLoopBackOff', message } };
  }
  if (!hasStarted(run)) return { waiting: { reason: 'PodInitializing' } };
  const startedAt = pod.status?.startTime ?? kubeTime(run.sinceMs);
  return { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt: kubeTime(run.sinceMs) } };
}
