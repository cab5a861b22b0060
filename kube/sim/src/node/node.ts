/** A simulated node as data, and the Node object that a kubelet would register for it. */
import { kubernetesVersion } from '@polyanthus/ground-base/version';
import type { Node, Taint } from '@polyanthus/kube-kinds/core';
import { kubeTime } from '@polyanthus/kube-runtime/times';

/** A node to simulate. */
export interface SimNode {
  readonly name: string;
  /** `topology.kubernetes.io/zone`. */
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Quantities by resource; 8 CPUs, 32 GiB and 110 pods where absent. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** Version of its kubelet: `v1.37.2`. */
  readonly version?: string;
  /** InternalIP, and where the API server dials its kubelet. 127.0.0.1. */
  readonly address?: string;
  /** Where `createKubeletHandler` is served for it. 10250. */
  readonly kubeletPort?: number;
  /** IPv4 range of its pods; absent: `10.x.y.0/24` by the node's place in the list. */
  readonly podCidr?: string;
  /**
   * When its kubelet is silent, in milliseconds from when the node was added: no heartbeats, and its pods stay as they
   * are, also those that somebody deletes. Without `untilMs` it never comes back.
   */
  readonly outages?: readonly { readonly fromMs: number; readonly untilMs?: number }[];
  /** `spec.providerID`. */
  readonly providerId?: string;
  /**
   * A node of a copied cluster, whose kubelet is elsewhere: the Node that is there keeps its status but for heartbeats, and
   * the pods of these uids stay as they were copied until somebody deletes them. All others run here.
   */
  readonly copied?: { readonly podUids: ReadonlySet<string> };
}

const defaultCapacity = { cpu: '8', memory: '32Gi', 'ephemeral-storage': '100Gi', pods: '110' };

/** The range of the n-th node: 10.128.0.0/9 holds 32,768 of /24. */
export function defaultPodCidr(index: number): string {
  return `10.${128 + ((index >> 8) & 0x7f)}.${index & 0xff}.0/24`;
}

/** The object to register. */
export function nodeObject(node: SimNode, podCidr: string): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels: nodeLabels(node) },
    spec: {
      podCIDR: podCidr,
      ...({ podCIDRs: [podCidr] } as object),
      ...(node.taints === undefined ? {} : { taints: node.taints }),
      ...(node.providerId === undefined ? {} : { providerID: node.providerId }),
    },
  };
}

function nodeLabels(node: SimNode): Readonly<Record<string, string>> {
  return {
    'kubernetes.io/hostname': node.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    ...(node.zone === undefined ? {} : { 'topology.kubernetes.io/zone': node.zone }),
    ...node.labels,
  };
}

const healthy: readonly (readonly [type: string, reason: string, message: string])[] = [
  ['MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
];

/** The status that a healthy kubelet reports. Transition times of conditions that stay are kept. */
export function nodeStatus(node: SimNode, before: Node['status'], nowMs: number): NonNullable<Node['status']> {
  if (node.copied !== undefined) return { ...before, conditions: heartbeats(before, nowMs) };
  const capacity = { ...defaultCapacity, ...node.capacity };
  const version = node.version ?? kubernetesVersion.gitVersion;
  return {
    ...before,
    capacity,
    allocatable: capacity,
    conditions: conditions(before, nowMs),
    addresses: [
      { type: 'InternalIP', address: node.address ?? '127.0.0.1' },
      { type: 'Hostname', address: node.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: node.kubeletPort ?? 10_250 } },
    nodeInfo: {
      machineID: node.name,
      systemUUID: node.name,
      bootID: node.name,
      kernelVersion: '6.1.0-simulated',
      osImage: 'Polyanthus simulated node',
      containerRuntimeVersion: 'containerd://2.3.7',
      kubeletVersion: version,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: 'amd64',
    },
  };
}

/** Conditions of a copied node as they were, and fresh: those of others (a full disk seen by a detector) keep their times. */
function heartbeats(before: Node['status'], nowMs: number): NonNullable<NonNullable<Node['status']>['conditions']> {
  const now = kubeTime(nowMs);
  const own = (type: string): boolean => type === 'Ready' || healthy.some(([known]) => known === type);
  return (before?.conditions ?? []).map((one) => (own(one.type) ? { ...one, lastHeartbeatTime: now } : one));
}

function conditions(before: Node['status'], nowMs: number): NonNullable<NonNullable<Node['status']>['conditions']> {
  const now = kubeTime(nowMs);
  const wanted = [
    ...healthy.map(([type, reason, message]) => ({ type, status: 'False' as const, reason, message })),
    { type: 'Ready', status: 'True' as const, reason: 'KubeletReady', message: 'kubelet is posting ready status' },
  ];
  return wanted.map((condition) => {
    const known = before?.conditions?.find((each) => each.type === condition.type);
    const lastTransitionTime = known?.status === condition.status ? (known.lastTransitionTime ?? now) : now;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime };
  });
}
