/** The status that a kubelet writes for a pod whose containers are where the machine says. */
import type { Container, ContainerStatus, Pod, PodCondition } from '@polyanthus/kube-kinds/core';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import type { Ending, PodRun } from './run.ts';

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
  const { pod, run, ready, hostIp, podIp, nowMs } = input;
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
    containerStatuses: pod.spec.containers.map((container) => containerStatus(container, pod, run, ready)),
    ...(pod.spec.initContainers === undefined ? {} : { initContainerStatuses: initStatuses(pod, run) }),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf(run: PodRun): NonNullable<Status['phase']> {
  if (run.phase === 'starting' || run.phase === 'unpullable') return 'Pending';
  if (run.phase !== 'ended') return 'Running';
  return run.last.exitCode === 0 ? 'Succeeded' : 'Failed';
}

function conditions(input: StatusInput, phase: string): readonly PodCondition[] {
  const { pod, run, ready } = input;
  const started = run.phase !== 'starting' && run.phase !== 'unpullable';
  const names = pod.spec.containers.map((container) => container.name).join(' ');
  const unready = {
    reason: phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : 'ContainersNotReady',
    ...(phase === 'Succeeded' ? {} : { message: `containers with unready status: [${names}]` }),
  };
  const wanted: Omit<PodCondition, 'lastTransitionTime'>[] = [
    { type: 'PodReadyToStartContainers', status: started && run.phase !== 'ended' ? 'True' : 'False' },
    { type: 'Initialized', status: 'True' },
    { type: 'Ready', status: ready ? 'True' : 'False', ...(ready ? {} : unready) },
    { type: 'ContainersReady', status: ready ? 'True' : 'False', ...(ready ? {} : unready) },
    { type: 'PodScheduled', status: 'True' },
  ];
  const known = pod.status?.conditions ?? [];
  const others = known.filter((condition) => !wanted.some((each) => each.type === condition.type));
  return [...wanted.map((condition) => timed(condition, known, input.nowMs)), ...others];
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
  pod: Pod,
  run: PodRun,
  ready: boolean,
): ContainerStatus & { readonly lastState?: State } {
  const last =
    'last' in run && run.last !== undefined && run.phase !== 'ended'
      ? { lastState: { terminated: terminated(run.last) } }
      : {};
  const created = run.phase !== 'starting' && run.phase !== 'unpullable';
  return {
    name: container.name,
    state: stateOf(container, run),
    ...last,
    ready,
    started: run.phase === 'running',
    restartCount: run.restarts,
    image: container.image ?? '',
    imageID: created ? (container.image ?? '') : '',
    ...(created ? { containerID: `containerd://${pod.metadata.uid ?? ''}-${container.name}-${run.restarts}` } : {}),
  };
}

function stateOf(container: Container, run: PodRun): State {
  switch (run.phase) {
    case 'starting':
      return { waiting: { reason: 'ContainerCreating' } };
    case 'unpullable':
      return { waiting: { reason: 'ImagePullBackOff', message: `Back-off pulling image "${container.image ?? ''}"` } };
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

function terminated(ending: Ending): NonNullable<State['terminated']> {
  return {
    exitCode: ending.exitCode,
    reason: ending.exitCode === 0 ? 'Completed' : 'Error',
    startedAt: kubeTime(ending.startedMs),
    finishedAt: kubeTime(ending.endedMs),
  };
}

/** Init containers have simply ended well by the time that the others start. */
function initStatuses(pod: Pod, run: PodRun): readonly object[] {
  const done = run.phase !== 'starting' && run.phase !== 'unpullable';
  return (pod.spec.initContainers ?? []).map((container) => ({
    name: container.name,
    ready: done,
    started: false,
    restartCount: 0,
    image: container.image ?? '',
    imageID: done ? (container.image ?? '') : '',
    state: done
      ? {
          terminated: {
            exitCode: 0,
            reason: 'Completed',
            startedAt: pod.status?.startTime ?? kubeTime(run.sinceMs),
            finishedAt: kubeTime(run.sinceMs),
          },
        }
      : { waiting: { reason: 'PodInitializing' } },
  }));
}
