/** What a snapshot alone cannot tell: named, because not known is never the same as sound. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { LabelSelector } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { Unknown } from './finding.ts';
import type { Cluster } from './model/cluster.ts';
import { objectsOf } from './model/objects.ts';
import type { PodState } from './model/pod.ts';
import { priorityOf } from '@polyanthus/kube-sim/scheduler/preemption';

/** Kinds that a prediction rests on. */
const needed: ReadonlySet<string> = new Set([
  '/nodes',
  '/pods',
  '/namespaces',
  '/replicationcontrollers',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  'apps/replicasets',
  'apps/deployments',
  'apps/statefulsets',
  'apps/daemonsets',
  'policy/poddisruptionbudgets',
]);

/** Kinds that were not read although the prediction rests on them. With `apis`: any kind, since anything may use a removed API. */
export function unreadUnknowns(snapshot: Snapshot, apis: boolean): readonly Unknown[] {
  return snapshot.unread
    .filter(({ group, plural }) => apis || needed.has(`${group}/${plural}`))
    .map(({ group, version, plural, reason }) => ({
      subject: `${plural} of ${group === '' ? version : `${group}/${version}`}`,
      why: `it could not be read: ${reason}`,
      next: 'Rehearse with credentials that may list it.',
    }));
}

interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string;
    readonly rules?: readonly {
      readonly apiGroups?: readonly string[];
      readonly resources?: readonly string[];
      readonly operations?: readonly string[];
    }[];
    readonly namespaceSelector?: LabelSelector;
  }[];
}

const asksFor = (values: readonly string[] | undefined, wanted: string): boolean =>
  values?.some((value) => value === '*' || value === wanted || value === `${wanted.split('/')[0] ?? ''}/*`) === true;

/** Webhooks and policies that see what the plan does and were not asked. */
export function admissionUnknowns(snapshot: Snapshot): readonly Unknown[] {
  const group = 'admissionregistration.k8s.io';
  const hooks = ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'].flatMap((kind) =>
    objectsOf<WebhookConfiguration>(snapshot, group, kind).flatMap((one) => one.webhooks ?? []),
  );
  const seeing = hooks.filter(({ rules = [] }) =>
    rules.some(
      (rule) =>
        asksFor(rule.apiGroups, '') &&
        ((asksFor(rule.resources, 'pods') && asksFor(rule.operations, 'CREATE')) ||
          (asksFor(rule.resources, 'pods') && asksFor(rule.operations, 'DELETE')) ||
          asksFor(rule.resources, 'pods/eviction') ||
          (asksFor(rule.resources, 'nodes') && asksFor(rule.operations, 'UPDATE'))),
    ),
  );
  return seeing.map(({ name }) => ({
    subject: `admission webhook ${name}`,
    why: 'it sees evictions, new pods or nodes, and a snapshot cannot ask it',
    next: 'Rehearse against the live cluster, without --snapshot: it is asked by a dry run there.',
  }));
}

/** What the planner does not model, where a pod that moves has it. */
export function podUnknowns(cluster: Cluster, moving: ReadonlySet<string>): readonly Unknown[] {
  const found = new Map<string, Unknown>();
  for (const node of cluster.nodes)
    for (const { object, key } of node.pods) {
      if (!moving.has(node.name)) continue;
      const { schedulerName, resourceClaims } = object.spec;
      if (typeof schedulerName === 'string' && schedulerName !== '' && schedulerName !== 'default-scheduler')
        found.set(`scheduler ${schedulerName}`, {
          subject: `scheduler ${schedulerName}`,
          why: `it places pod ${key} and others by rules that are not known`,
          next: 'Make sure that it finds a node for them.',
        });
      if (Array.isArray(resourceClaims) && resourceClaims.length > 0)
        found.set(`claims of ${key}`, {
          subject: `pod ${key}`,
          why: 'it claims devices (resource.k8s.io), which are not modelled',
          next: 'Make sure that another node has such a device free.',
        });
    }
  return [...found.values()];
}

/** The lowest priority of the pods that are placed; Infinity where there are none. */
export function lowestPriority({ nodes }: Cluster): number {
  let lowest = Infinity;
  for (const node of nodes) for (const { object } of node.pods) lowest = Math.min(lowest, priorityOf(object));
  return lowest;
}

/** Pods that wait for a node, and for which kube-scheduler may drive out others: whom, and what becomes of them, is not modelled. */
export function preemptionUnknowns(waiting: Iterable<PodState>, lowest: number): readonly Unknown[] {
  const found = new Map<string, Unknown>();
  for (const { object, workload, key } of waiting) {
    if (priorityOf(object) <= lowest || object.spec['preemptionPolicy'] === 'Never') continue;
    const subject =
      workload === undefined ? `pod ${key}` : `pods of ${workload.facts.shown.kind} ${workload.facts.shown.name}`;
    found.set(subject, {
      subject,
      why: `they find no node, and with priority ${priorityOf(object)} kube-scheduler may drive out pods of lower priority for them, which is not modelled`,
      next: 'Add room for them, take fewer nodes at once, or expect that pods of lower priority go down.',
    });
  }
  return [...found.values()];
}
