/** What a pod asks for and may use (component-helpers resource/helpers.go): containers, sidecars, init containers, overhead. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { addResources, maxResources, readResources, type ResourceList } from './resource-list.ts';

interface Resources {
  readonly requests?: unknown;
  readonly limits?: unknown;
}
interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly resources?: Resources;
}
interface ContainerState {
  readonly name: string;
  readonly resources?: Resources;
  readonly allocatedResources?: unknown;
}

/** The parts of a Pod that cost something. */
export interface CostlyPod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly resources?: Resources;
    readonly overhead?: unknown;
    readonly activeDeadlineSeconds?: number;
    readonly priorityClassName?: string;
    readonly affinity?: object;
  };
  readonly status?: {
    readonly phase?: string;
    readonly qosClass?: string;
    readonly conditions?: readonly { readonly type: string; readonly reason?: string }[];
    readonly containerStatuses?: readonly ContainerState[];
    readonly initContainerStatuses?: readonly ContainerState[];
  };
}

type Pick = (container: Container, state: ContainerState | undefined, infeasible: boolean) => ResourceList;

const asked: Pick = ({ resources }) => readResources(resources?.requests);
const allocated: Pick = (container, state, infeasible) => {
  if (state?.allocatedResources !== undefined) return readResources(state.allocatedResources);
  return infeasible ? {} : asked(container, state, infeasible);
};
const actuated: Pick = (container, state, infeasible) =>
  state?.resources?.requests === undefined
    ? allocated(container, state, infeasible)
    : readResources(state.resources.requests);
const limited: Pick = ({ resources }) => readResources(resources?.limits);
const limitedNow: Pick = (container, state, infeasible) => {
  if (state?.resources?.limits !== undefined) return readResources(state.resources.limits);
  return infeasible ? {} : limited(container, state, infeasible);
};

/** Containers together, or an init container with the sidecars before it where that is more. */
function aggregate(pod: CostlyPod, pick: Pick): ResourceList {
  const infeasible = isInfeasible(pod);
  const states = new Map(
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map((one) => [
      one.name,
      one,
    ]),
  );
  const of = (container: Container): ResourceList => pick(container, states.get(container.name), infeasible);
  let running: ResourceList = {};
  for (const container of pod.spec?.containers ?? []) running = addResources(running, of(container));
  let sidecars: ResourceList = {};
  let starting: ResourceList = {};
  for (const container of pod.spec?.initContainers ?? []) {
    const own = of(container);
    if (container.restartPolicy === 'Always') {
      running = addResources(running, own);
      sidecars = addResources(sidecars, own);
      starting = maxResources(starting, sidecars);
    } else starting = maxResources(starting, addResources(own, sidecars));
  }
  return maxResources(running, starting);
}

/** A resize was asked for that the node cannot give: what the spec says does not count. */
function isInfeasible(pod: CostlyPod): boolean {
  const pending = pod.status?.conditions?.find(({ type }) => type === 'PodResizePending');
  return pending?.reason === 'Infeasible';
}

const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** Whether the pod states resources for itself as a whole. */
export function hasPodLevelResources(pod: CostlyPod): boolean {
  const { requests, limits } = pod.spec?.resources ?? {};
  return [...Object.keys(readResources(requests)), ...Object.keys(readResources(limits))].some(isPodLevel);
}

function podLevel(map: unknown): ResourceList {
  return Object.fromEntries(Object.entries(readResources(map)).filter(([name]) => isPodLevel(name)));
}

/** What the pod asks for: the most of what its spec says, what was allocated and what it has. */
export function podRequests(pod: CostlyPod): ResourceList {
  const now = maxResources(aggregate(pod, allocated), aggregate(pod, actuated));
  const containers = isInfeasible(pod) ? now : maxResources(aggregate(pod, asked), now);
  return addResources({ ...containers, ...podLevel(pod.spec?.resources?.requests) }, readResources(pod.spec?.overhead));
}

/** What it may use at most; overhead counts only where there is a limit. */
export function podLimits(pod: CostlyPod): ResourceList {
  const now = aggregate(pod, limitedNow);
  const containers = isInfeasible(pod) ? now : maxResources(aggregate(pod, limited), now);
  const all = { ...containers, ...podLevel(pod.spec?.resources?.limits) };
  const overhead = Object.entries(readResources(pod.spec?.overhead)).filter(([name]) => (all[name]?.nano ?? 0n) > 0n);
  return addResources(all, Object.fromEntries(overhead));
}

/** Neither requests nor limits of cpu and memory anywhere. */
export function isBestEffort(pod: CostlyPod): boolean {
  const known = pod.status?.qosClass;
  if (known !== undefined && known !== '') return known === 'BestEffort';
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), { ...pod.spec, name: '' }];
  return !containers.some(({ resources }) =>
    [resources?.requests, resources?.limits].some((map) => {
      const list = readResources(map);
      return ['cpu', 'memory'].some((name) => (list[name]?.nano ?? 0n) > 0n);
    }),
  );
}
