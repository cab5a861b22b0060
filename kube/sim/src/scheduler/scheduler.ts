/** A simple scheduler: the emptiest node that fits; without one the pod waits and says why. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Namespace, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import type { PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import type { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { bestNode, judgeNodes, type NodeVerdict } from './feasible.ts';
import { unschedulableMessage } from './fit.ts';
import { waitsForNeighbours } from './neighbours.ts';
import {
  leastHarm,
  mayPreempt,
  nominatedNode,
  preemptionCandidates,
  priorityOf,
  type PreemptionCandidate,
} from './preemption.ts';
import { podRequests } from './requests.ts';
import { Usage } from './usage.ts';

/** The name in `spec.schedulerName` that this scheduler answers to. */
export const schedulerName = 'default-scheduler';
/** A pod that waits is looked at again even when nothing happens. */
const retryMs = 300_000;

/** What the scheduler reads and writes; its queue holds pod keys. */
export interface SchedulerOptions {
  readonly client: KubeClient;
  readonly podCache: Informer<Pod>;
  readonly nodeCache: Informer<Node>;
  readonly namespaceCache: Informer<Namespace>;
  readonly budgetCache: Informer<PodDisruptionBudget>;
  readonly queue: WorkQueue;
  readonly recorder: EventRecorder;
}

/**
 * Places pods one at a time; `reconcile` takes a pod's key. A pod that fits nowhere drives out others of lower priority, is
 * promised their node (`status.nominatedNodeName`) and placed when they are gone; pods of lower priority leave that room alone.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #usage = new Usage();
  readonly #waiting = new Set<string>();
  /** Pods that were promised a node, by key. */
  readonly #promised = new Map<string, { readonly pod: Pod; readonly node: string }>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { podCache, nodeCache, queue } = options;
    podCache.onEvent({
      onAdd: (pod) => this.#saw(pod),
      onUpdate: (before, pod) => {
        this.#saw(pod);
        if (isFinished(pod) && !isFinished(before)) this.#wakeWaiting();
        else if (isPlaced(pod) && !isPlaced(before)) this.#wakeNeighbours();
      },
      onDelete: (pod) => {
        this.#usage.release(pod.metadata.uid ?? '');
        this.#waiting.delete(keyOf(pod));
        this.#promised.delete(keyOf(pod));
        if (pod.spec.nodeName !== undefined) this.#wakeWaiting();
        else queue.forget(keyOf(pod));
      },
    });
    nodeCache.onEvent({
      onAdd: () => this.#wakeWaiting(),
      onUpdate: (before, after) => (nodeMatters(before, after) ? this.#wakeWaiting() : undefined),
    });
  }

  /** One attempt to place one pod. */
  async reconcile(ctx: Context, key: string): Promise<ReconcileResult | void> {
    const pod = this.#options.podCache.get(key);
    if (pod === undefined || !isOurs(pod)) return undefined;
    const { verdicts, preemption } = this.#besidePromised(pod, () => this.#judge(pod));
    const promised = nominatedNode(pod);
    const free = verdicts.some(({ name, reasons }) => name === promised && reasons.length === 0);
    const best = free ? promised : bestNode(verdicts);
    if (best !== undefined) {
      await this.#bind(ctx, pod, best);
      return undefined;
    }
    const message = unschedulableMessage(verdicts.map(({ reasons }) => reasons));
    if (preemption === 'waits') return this.#cannot(ctx, pod, message, promised);
    if (preemption !== undefined) await this.#preempt(ctx, pod, preemption);
    return this.#cannot(ctx, pod, message, preemption?.node ?? '');
  }

  /** Where the pod fits; where nowhere, whom it would drive out, or `waits` for those that it has. */
  #judge(pod: Pod): {
    readonly verdicts: readonly NodeVerdict[];
    readonly preemption: PreemptionCandidate | 'waits' | undefined;
  } {
    const { nodeCache, namespaceCache, budgetCache } = this.#options;
    const usage = this.#usage;
    const around = {
      nodes: nodeCache.list(),
      namespaceLabels: (name: string) => namespaceCache.get(name)?.metadata.labels ?? {},
    };
    const verdicts = judgeNodes(pod, { ...around, placed: usage, used: (node) => usage.of(node) });
    if (verdicts.some(({ reasons }) => reasons.length === 0) || pod.spec['preemptionPolicy'] === 'Never')
      return { verdicts, preemption: undefined };
    if (!mayPreempt(pod, verdicts, usage)) return { verdicts, preemption: 'waits' };
    const view = { ...around, usage, budgets: budgetCache.list() };
    return { verdicts, preemption: leastHarm(preemptionCandidates(pod, verdicts, view)) };
  }

  /** Pods that matter no less take the room that they were promised. */
  #besidePromised<T>(pod: Pod, judge: () => T): T {
    const key = keyOf(pod);
    const before = [...this.#promised].filter(
      ([other, { pod: one }]) => other !== key && priorityOf(one) >= priorityOf(pod),
    );
    for (const [, { pod: one, node }] of before) this.#usage.take(one, node, podRequests(one));
    try {
      return judge();
    } finally {
      for (const [, { pod: one }] of before) this.#usage.release(one.metadata.uid ?? '');
    }
  }

  /** Tells the victims why they go, and deletes them with their own grace. */
  async #preempt(ctx: Context, pod: Pod, { node, victims }: PreemptionCandidate): Promise<void> {
    const { client, recorder } = this.#options;
    for (const victim of victims) {
      const { namespace, name = '', uid = '' } = victim.metadata;
      if (victim.metadata.deletionTimestamp !== undefined) continue;
      const condition = {
        type: 'DisruptionTarget',
        status: 'True' as const,
        reason: 'PreemptionByScheduler',
        message: `${schedulerName}: preempting to accommodate a higher priority pod`,
        lastTransitionTime: kubeTime(ctx.clock.now()),
      };
      const others = (victim.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
      const status = { ...victim.status, conditions: [...others, condition] };
      try {
        await commit(ctx, client, pods, { before: victim, after: { ...victim, status } });
        await client.delete(ctx, pods, { namespace, name }, { preconditions: { uid } });
      } catch (error) {
        if (hasCode(error, 'NotFound') || hasCode(error, 'Conflict')) continue;
        throw error;
      }
      recorder.record(victim, 'Normal', 'Preempted', `Preempted by pod ${pod.metadata.uid ?? ''} on node ${node}`);
    }
    await this.#takeBackPromises(ctx, pod, node);
  }

  /** Pods that matter less and were promised this node look for another one. */
  async #takeBackPromises(ctx: Context, pod: Pod, node: string): Promise<void> {
    for (const [key, { pod: other, node: promised }] of this.#promised) {
      if (promised !== node || priorityOf(other) >= priorityOf(pod)) continue;
      this.#promised.delete(key);
      const current = this.#options.podCache.get(key);
      if (current !== undefined && isOurs(current)) await this.#nominate(ctx, current, '');
      this.#options.queue.add(key);
    }
  }

  async #nominate(ctx: Context, pod: Pod, node: string): Promise<void> {
    if (nominatedNode(pod) === node) return;
    const status = withNominated(pod.status, node);
    await commit(ctx, this.#options.client, pods, { before: pod, after: { ...pod, status } });
  }

  async #bind(ctx: Context, pod: Pod, node: string): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata;
    // Counted at once: the next pod must not take the same room before the watch tells.
    this.#usage.take(pod, node, podRequests(pod));
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    try {
      await this.#options.client.createAt(ctx, pods, { namespace, name }, 'binding', binding);
    } catch (error) {
      this.#usage.release(uid);
      if (hasCode(error, 'NotFound') || hasCode(error, 'Conflict')) return;
      throw error;
    }
    this.#waiting.delete(keyOf(pod));
    this.#promised.delete(keyOf(pod));
    this.#options.recorder.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${keyOf(pod)} to ${node}`);
  }

  async #cannot(ctx: Context, pod: Pod, message: string, promised: string): Promise<ReconcileResult> {
    this.#waiting.add(keyOf(pod));
    if (promised === '') this.#promised.delete(keyOf(pod));
    else this.#promised.set(keyOf(pod), { pod, node: promised });
    const known = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message && nominatedNode(pod) === promised)
      return { requeueAfterMs: retryMs };
    this.#options.recorder.record(pod, 'Warning', 'FailedScheduling', message);
    const lastTransitionTime = known?.status === 'False' ? known.lastTransitionTime : kubeTime(ctx.clock.now());
    const condition = {
      type: 'PodScheduled',
      status: 'False' as const,
      reason: 'Unschedulable',
      message,
      lastTransitionTime: lastTransitionTime ?? null,
    };
    const conditions = [...(pod.status?.conditions ?? []).filter((each) => each !== known), condition];
    await commit(ctx, this.#options.client, pods, {
      before: pod,
      after: { ...pod, status: withNominated({ ...pod.status, conditions }, promised) },
    });
    return { requeueAfterMs: retryMs };
  }

  #saw(pod: Pod): void {
    this.#usage.observe(pod);
    if (isOurs(pod) && !this.#waiting.has(keyOf(pod))) this.#options.queue.add(keyOf(pod));
  }

  /** A pod was placed: that takes room, but may be the neighbour that another one needs. */
  #wakeNeighbours(): void {
    for (const key of this.#waiting) {
      const pod = this.#options.podCache.get(key);
      if (pod !== undefined && waitsForNeighbours(pod)) this.#options.queue.add(key);
    }
  }

  #wakeWaiting(): void {
    for (const key of this.#waiting) this.#options.queue.add(key);
  }
}

function withNominated(status: Pod['status'], node: string): NonNullable<Pod['status']> {
  const { nominatedNodeName: _before, ...rest } = { nominatedNodeName: undefined, ...status };
  return node === '' ? rest : { ...rest, ...({ nominatedNodeName: node } as object) };
}

const isPlaced = ({ spec }: Pod): boolean => spec.nodeName !== undefined && spec.nodeName !== '';

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Not placed, not ending, not gated, and asking for this scheduler. */
function isOurs(pod: Pod): boolean {
  const { nodeName, schedulerName: wanted, schedulingGates } = pod.spec;
  const gated = Array.isArray(schedulingGates) && schedulingGates.length > 0;
  return (
    (nodeName === undefined || nodeName === '') &&
    pod.metadata.deletionTimestamp === undefined &&
    !isFinished(pod) &&
    !gated &&
    (wanted === undefined || wanted === '' || wanted === schedulerName)
  );
}

/** Heartbeats change nothing for a scheduler. */
function nodeMatters(before: Node, after: Node): boolean {
  return (
    JSON.stringify([before.spec, before.metadata.labels, before.status?.allocatable]) !==
    JSON.stringify([after.spec, after.metadata.labels, after.status?.allocatable])
  );
}
