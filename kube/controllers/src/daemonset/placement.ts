/** Where pods of a DaemonSet belong, and what a pod for one node looks like (daemon/util/daemonset_util.go). */
import type { Node, Pod, PodSpec } from '@polyanthus/kube-kinds/core';
import {
  requiredNodeTerms,
  selectsNode,
  untoleratedTaint,
  type Affinity,
  type Toleration,
} from '@polyanthus/kube-kinds/placement';
import { daemonSets, type DaemonSet } from '@polyanthus/kube-kinds/workloads';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { podFromTemplate } from '../pod-writes.ts';
import { revisionHashLabel } from '../revisions/history.ts';

const generationAnnotation = 'deprecated.daemonset.template.generation';
const generationLabel = 'pod-template-generation';

const tolerated = (key: string, effect: string): Toleration => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect,
});
/** Node troubles that a daemon stays through. */
const daemonTolerations: readonly Toleration[] = [
  tolerated('not-ready', 'NoExecute'),
  tolerated('unreachable', 'NoExecute'),
  tolerated('disk-pressure', 'NoSchedule'),
  tolerated('memory-pressure', 'NoSchedule'),
  tolerated('pid-pressure', 'NoSchedule'),
  tolerated('unschedulable', 'NoSchedule'),
];

/** The tolerations of the set's pods: the template's, and those that every daemon has, which win over the same with a time. */
export function tolerationsOf({ tolerations = [], ...spec }: PodSpec): readonly Toleration[] {
  const wanted = [
    ...daemonTolerations,
    ...(spec['hostNetwork'] === true ? [tolerated('network-unavailable', 'NoSchedule')] : []),
  ];
  const same = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator && (a.value ?? '') === (b.value ?? '');
  const kept = tolerations.map((one) => wanted.find((other) => same(one, other)) ?? one);
  return [...kept, ...wanted.filter((one) => !kept.some((other) => jsonEqual(one, other)))];
}

/** What a node is to a set. */
export interface Fit {
  /** A pod is to be created there. */
  readonly run: boolean;
  /** A pod that is there may stay. */
  readonly stay: boolean;
}

/** Whether a pod of the set is wanted on the node, and whether one that runs there may stay. */
export function fitOf(set: DaemonSet, node: Node): Fit {
  const { spec } = set.spec.template;
  if ((spec.nodeName ?? node.metadata.name) !== node.metadata.name || !selectsNode(spec, node))
    return { run: false, stay: false };
  const tolerations = tolerationsOf(spec);
  const refuses = (effects: readonly ('NoSchedule' | 'NoExecute')[]): boolean =>
    untoleratedTaint(node.spec?.taints, tolerations, effects) !== undefined;
  return { run: !refuses(['NoSchedule', 'NoExecute']), stay: !refuses(['NoExecute']) };
}

/** The node that a pod runs on or is meant for; undefined when it is meant for none. */
export function targetNode(pod: Pod): string | undefined {
  if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '') return pod.spec.nodeName;
  for (const { matchFields = [] } of requiredNodeTerms(pod.spec) ?? [])
    for (const { key, operator, values = [] } of matchFields)
      if (key === 'metadata.name' && operator === 'In' && values.length === 1) return values[0];
  return undefined;
}

/** The pod for a node, which the scheduler binds there. */
export function podDraft(set: DaemonSet, node: string, hash: string): Pod {
  const { metadata, spec } = set.spec.template;
  const generation = generationOf(set);
  const labels = {
    ...metadata?.labels,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
    [revisionHashLabel]: hash,
  };
  return podFromTemplate(daemonSets, set, {
    metadata: { ...metadata, labels },
    spec: {
      ...spec,
      tolerations: tolerationsOf(spec),
      affinity: onlyOn(spec['affinity'] as Affinity | undefined, node),
    },
  });
}

function onlyOn(affinity: Affinity | undefined, node: string): Affinity {
  const terms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
    },
  };
}

/** Whether the pod is of the set's template now: by hash, or by the generation that kube-apiserver counts. */
export function isUpdated(set: DaemonSet, pod: Pod, hash: string): boolean {
  const generation = generationOf(set);
  const { labels = {} } = pod.metadata;
  return labels[revisionHashLabel] === hash || (generation !== undefined && labels[generationLabel] === generation);
}

function generationOf(set: DaemonSet): string | undefined {
  const text = set.metadata.annotations?.[generationAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? text : undefined;
}
