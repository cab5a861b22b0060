/** What a Node says about itself, and the taints and labels that follow from it (node_lifecycle_controller.go). */
import type { Node, Taint } from '@polyanthus/kube-kinds/core';

/** core/v1 NodeCondition. */
export type NodeCondition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

const key = (name: string): string => `node.kubernetes.io/${name}`;
const notReady = key('not-ready');
const unreachable = key('unreachable');

/** Taints that keep pods away, by condition and its status. */
const conditionTaints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: notReady, Unknown: unreachable },
  MemoryPressure: { True: key('memory-pressure') },
  DiskPressure: { True: key('disk-pressure') },
  NetworkUnavailable: { True: key('network-unavailable') },
  PIDPressure: { True: key('pid-pressure') },
};
const unschedulable = key('unschedulable');
const ownNoSchedule: ReadonlySet<string> = new Set([
  unschedulable,
  ...Object.values(conditionTaints).flatMap((byStatus) => Object.values(byStatus)),
]);

/** Labels of old clients, kept equal to those that replaced them. */
const labelCopies = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
] as const;

/** The condition of this type, if the node reports one. */
export function conditionOf(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type);
}

export const isNodeReady = (node: Node): boolean => conditionOf(node, 'Ready')?.status === 'True';

/** The zone that evictions are paced in: region and zone by their labels. */
export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const of = (name: string): string =>
    labels[`topology.kubernetes.io/${name}`] ?? labels[`failure-domain.beta.kubernetes.io/${name}`] ?? '';
  return `${of('region')}:${of('zone')}`;
}

/** The NoExecute taint that the node's state asks for; undefined while it is ready or has said nothing yet. */
export function evictionTaint(node: Node): string | undefined {
  return conditionTaints['Ready']?.[conditionOf(node, 'Ready')?.status ?? ''];
}

/** Whether the node has a NoExecute taint of this key. */
export function hasEvictionTaint(node: Node, taint?: string): boolean {
  return (node.spec?.taints ?? []).some(
    (one) =>
      one.effect === 'NoExecute' &&
      (taint === undefined ? one.key === notReady || one.key === unreachable : one.key === taint),
  );
}

/**
 * The node with the taints and labels that it must have. `evict` is the key of its NoExecute taint, undefined for none;
 * `timeAdded` stamps one that is new. The same object when all is right.
 */
export function withTaints(node: Node, evict: string | undefined, timeAdded: string): Node {
  const before = node.spec?.taints ?? [];
  const wanted: readonly Taint[] = [
    ...noScheduleKeys(node).map((one) => ({ key: one, effect: 'NoSchedule', timeAdded }) as const),
    ...(evict === undefined ? [] : [{ key: evict, effect: 'NoExecute', timeAdded } as const]),
  ];
  const same = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
  const kept = before.filter((one) => !isOurs(one) || wanted.some((other) => same(one, other)));
  const added = wanted.filter((one) => !before.some((other) => same(one, other)));
  if (kept.length === before.length && added.length === 0) return node;
  const taints = [...kept, ...added];
  const { taints: _before, ...spec } = node.spec ?? {};
  return { ...node, spec: taints.length === 0 ? spec : { ...spec, taints } };
}

function isOurs({ key: name, effect }: Taint): boolean {
  if (effect === 'NoExecute') return name === notReady || name === unreachable;
  return effect === 'NoSchedule' && ownNoSchedule.has(name);
}

function noScheduleKeys(node: Node): readonly string[] {
  const byCondition = (node.status?.conditions ?? []).flatMap(({ type, status }) => {
    const taint = conditionTaints[type]?.[status];
    return taint === undefined ? [] : [taint];
  });
  return node.spec?.unschedulable === true ? [...byCondition, unschedulable] : byCondition;
}

/** The node with the labels of old clients; the same object when it has them. */
export function withLabelCopies(node: Node): Node {
  const { labels = {} } = node.metadata;
  const missing = labelCopies.filter(([from, to]) => labels[from] !== undefined && labels[to] !== labels[from]);
  if (missing.length === 0) return node;
  const copies = Object.fromEntries(missing.map(([from, to]) => [to, labels[from] ?? '']));
  return { ...node, metadata: { ...node.metadata, labels: { ...labels, ...copies } } };
}

const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The conditions of a node whose kubelet fell silent: all that it reports are Unknown. The same list when they are. */
export function silentConditions(node: Node, now: string): readonly NodeCondition[] {
  const before = node.status?.conditions ?? [];
  const known = before.map((condition) =>
    !reported.includes(condition.type) || condition.status === 'Unknown'
      ? condition
      : {
          ...condition,
          status: 'Unknown' as const,
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        },
  );
  const never = reported.filter((type) => conditionOf(node, type) === undefined);
  const changed = known.some((condition, index) => condition !== before[index]) || never.length > 0;
  if (!changed) return before;
  const added = never.map((type) => ({
    type,
    status: 'Unknown' as const,
    reason: 'NodeStatusNeverUpdated',
    message: 'Kubelet never posted node status.',
    lastHeartbeatTime: node.metadata.creationTimestamp ?? now,
    lastTransitionTime: now,
  }));
  return [...known, ...added];
}
