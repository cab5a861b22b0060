/** Whether a pod fits a node, and why not, in kube-scheduler's words. */
import type { Node, Pod, Taint } from '@polyanthus/kube-kinds/core';
import { quantities, type Requests } from './requests.ts';

/** By node object: a scheduler asks about every node for every pod, and cached objects never change. */
const parsed = new WeakMap<Node, Requests>();

function allocatableOf(node: Node): Requests {
  const known = parsed.get(node);
  if (known !== undefined) return known;
  const allocatable = new Map(quantities(node.status?.allocatable));
  parsed.set(node, allocatable);
  return allocatable;
}

/** Why a pod cannot run on this node; empty when it can. */
export function misfits(pod: Pod, requests: Requests, node: Node, used: Requests): readonly string[] {
  if (
    node.spec?.unschedulable === true &&
    !tolerates(pod, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  )
    return ['node(s) were unschedulable'];
  if ((node.spec?.taints ?? []).some((taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(pod, taint)))
    return ['node(s) had untolerated taint(s)'];
  if (!selects(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  return shortages(requests, node, used);
}

function shortages(requests: Requests, node: Node, used: Requests): readonly string[] {
  const allocatable = allocatableOf(node);
  const short: string[] = [];
  for (const [name, wanted] of requests) {
    if (wanted === 0n || (used.get(name) ?? 0n) + wanted <= (allocatable.get(name) ?? 0n)) continue;
    short.push(name === 'pods' ? 'Too many pods' : `Insufficient ${name}`);
  }
  return short;
}

/** Share of the node that would be used, the mean of CPU and memory in [0, 1]; the emptier node wins. */
export function load(requests: Requests, node: Node, used: Requests): number {
  const allocatable = allocatableOf(node);
  const share = (name: string): number => {
    const total = allocatable.get(name) ?? 0n;
    return total === 0n ? 1 : Number((used.get(name) ?? 0n) + (requests.get(name) ?? 0n)) / Number(total);
  };
  // The count of pods last and least, so that pods without requests spread too.
  return (share('cpu') + share('memory')) / 2 + share('pods') / 1000;
}

function tolerates(pod: Pod, taint: Pick<Taint, 'key' | 'effect' | 'value'>): boolean {
  return (pod.spec.tolerations ?? []).some((toleration) => {
    if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
    if (toleration.operator === 'Exists')
      return toleration.key === undefined || toleration.key === '' || toleration.key === taint.key;
    return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
  });
}

interface NodeSelectorTerm {
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
  readonly matchFields?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}
interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly NodeSelectorTerm[];
    };
  };
}

/** nodeSelector and required node affinity. Affinity between pods and topology spread are not simulated. */
function selects(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (!Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = (pod.spec['affinity'] as Affinity | undefined)?.nodeAffinity
    ?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined) return true;
  const fields = { 'metadata.name': node.metadata.name ?? '' };
  return terms.some(
    (term) =>
      (term.matchExpressions ?? []).every((each) => holds(each, labels)) &&
      (term.matchFields ?? []).every((each) => holds(each, fields)),
  );
}

function holds(
  {
    key,
    operator,
    values = [],
  }: { readonly key: string; readonly operator: string; readonly values?: readonly string[] },
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(values[0]);
    case 'Lt':
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** kube-scheduler's message for a pod that fits nowhere. */
export function unschedulableMessage(reasons: readonly (readonly string[])[]): string {
  if (reasons.length === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reason of reasons.flat()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${reasons.length} nodes are available: ${parts.join(', ')}.`;
}
