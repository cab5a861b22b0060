/**
 * What admission on the live cluster says to the plan: server-side dry runs, one for each owner template that the plan
 * moves. Nothing is changed; a webhook that does not support dry runs is not called, and stays unknown.
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { nodes, pods, type Pod, type PodTemplate } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { StatusError } from '@polyanthus/kube-objects/status';
import { finding, type Finding, type FindingObject, type Unknown } from '../finding.ts';
import { controllerOf, objectsOf } from '../model/objects.ts';

/** Answers of the live cluster. */
export interface Probed {
  readonly findings: readonly Finding[];
  readonly unknowns: readonly Unknown[];
  /** Dry runs that were made. */
  readonly asked: number;
}

/** Templates that are asked at most; the others are one unknown together. */
const templatesMax = 500;

interface Template {
  readonly shown: FindingObject;
  readonly pod: Pod;
}

/** Asks for the nodes that the plan works on. Throws what the way to the cluster throws; its refusals are findings. */
export async function probe(
  ctx: Context,
  client: KubeClient,
  snapshot: Snapshot,
  nodeNames: ReadonlySet<string>,
): Promise<Probed> {
  const [templates, rest] = templatesOn(snapshot, nodeNames);
  const findings: Finding[] = [];
  const unknowns: Unknown[] = [];
  let asked = 0;
  const ask = async (shown: FindingObject, field: string, fn: () => Promise<unknown>): Promise<void> => {
    asked += 1;
    const answer = await answerOf(fn);
    if (answer === undefined) return;
    if (answer.kind === 'unknown') unknowns.push({ subject: answer.subject, why: answer.why, next: noDryRun });
    else findings.push(finding(answer.code, shown, { field, reason: answer.reason }));
  };
  for (const { shown, pod } of templates) {
    await ask(shown, 'spec.template', () => createDry(ctx, client, pod));
    await ask(shown, 'pods/eviction', () => evictDry(ctx, client, pod));
  }
  const [name] = nodeNames;
  if (name !== undefined)
    await ask({ kind: 'Node', name }, 'spec.unschedulable', () =>
      client.patch(ctx, nodes, { name }, { type: 'merge', body: { spec: { unschedulable: true } } }, { dryRun: true }),
    );
  if (rest > 0)
    unknowns.push({
      subject: `${rest} more owner templates`,
      why: `only ${templatesMax} are asked by a dry run`,
      next: 'Rehearse fewer nodes at a time.',
    });
  return { findings: distinct(findings), unknowns: distinctUnknowns(unknowns), asked };
}

const noDryRun = 'Ask its owner what it does to this plan, or whether it can declare sideEffects None or NoneOnDryRun.';

/** One pod for each controller that has pods on the nodes and no DaemonSet is; and how many controllers were left out. */
function templatesOn(snapshot: Snapshot, nodeNames: ReadonlySet<string>): readonly [readonly Template[], number] {
  const controllers = new Map(
    ['ReplicaSet', 'StatefulSet', 'ReplicationController', 'Job'].flatMap((kind) =>
      snapshot.resources
        .filter((one) => one.kind === kind)
        .flatMap((one) => one.objects.map((object) => [object.metadata.uid ?? '', object] as const)),
    ),
  );
  const found = new Map<string, Template>();
  for (const pod of objectsOf<Pod>(snapshot, '', 'Pod')) {
    const owner = controllerOf(pod);
    if (
      !nodeNames.has(pod.spec.nodeName ?? '') ||
      owner === undefined ||
      owner.kind === 'DaemonSet' ||
      owner.kind === 'Node'
    )
      continue;
    if (found.has(owner.uid)) continue;
    const controller = controllers.get(owner.uid);
    const { kind, name } = (controller === undefined ? undefined : controllerOf(controller)) ?? owner;
    const shown = { kind, namespace: pod.metadata.namespace ?? '', name };
    found.set(owner.uid, { shown, pod: podOf(pod, controller) });
  }
  const all = [...found.values()];
  return [all.slice(0, templatesMax), Math.max(0, all.length - templatesMax)];
}

/** The pod as its controller would make it anew; of a controller that is not known, as the pod was. */
function podOf(pod: Pod, controller: KubeObject | undefined): Pod {
  const template = (controller as { readonly spec?: { readonly template?: PodTemplate } } | undefined)?.spec?.template;
  if (template === undefined) return pod;
  const { namespace, name, ownerReferences = [] } = pod.metadata;
  return {
    ...pod,
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
      labels: template.metadata?.labels ?? {},
      annotations: template.metadata?.annotations ?? {},
      ownerReferences,
    },
    spec: template.spec,
  };
}

function createDry(ctx: Context, client: KubeClient, pod: Pod): Promise<unknown> {
  const { namespace, name = 'pod', labels = {}, annotations = {}, ownerReferences = [] } = pod.metadata;
  const { nodeName: _, ...spec } = pod.spec;
  const metadata = {
    ...(namespace === undefined ? {} : { namespace }),
    generateName: `${name.slice(0, 40)}-`,
    labels,
    annotations,
    ownerReferences,
  };
  return client.create(ctx, pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, { dryRun: true });
}

function evictDry(ctx: Context, client: KubeClient, pod: Pod): Promise<unknown> {
  const { namespace, name = '' } = pod.metadata;
  return client.createAt(
    ctx,
    pods,
    { namespace, name },
    'eviction',
    { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name }, deleteOptions: { dryRun: ['All'] } },
    { dryRun: true },
  );
}

type Answer =
  | { readonly kind: 'refused'; readonly code: 'WebhookRefuses' | 'AdmissionRefuses'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly subject: string; readonly why: string };

/** Undefined: nothing speaks against it. */
async function answerOf(fn: () => Promise<unknown>): Promise<Answer | undefined> {
  try {
    await fn();
    return undefined;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return judge(error);
  }
}

function judge({ message, code, httpStatus }: StatusError): Answer | undefined {
  // Budgets are the planner's; a pod that went meanwhile says nothing.
  if (code === 'TooManyRequests' || code === 'NotFound' || /more than one PodDisruptionBudget/.test(message))
    return undefined;
  const webhook = /admission webhook "([^"]{1,300})"/.exec(message)?.[1];
  if (/does not support dry run/.test(message))
    return {
      kind: 'unknown',
      subject: `admission webhook ${webhook ?? ''}`,
      why: `it does not support dry runs: ${message}`,
    };
  if (/failed calling webhook/.test(message) || httpStatus >= 500)
    return { kind: 'unknown', subject: 'admission of the cluster', why: message };
  return { kind: 'refused', code: webhook === undefined ? 'AdmissionRefuses' : 'WebhookRefuses', reason: message };
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((one) => [JSON.stringify([one.code, one.object, one.reason]), one])).values()];
}

function distinctUnknowns(unknowns: readonly Unknown[]): readonly Unknown[] {
  return [...new Map(unknowns.map((one) => [one.subject, one])).values()];
}
