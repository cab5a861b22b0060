/** A simple scheduler: the emptiest node that fits; without one the pod waits and says why. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Namespace, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import type { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { bestNode, judgeNodes } from './feasible.ts';
import { unschedulableMessage } from './fit.ts';
import { waitsForNeighbours } from './neighbours.ts';
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
  readonly queue: WorkQueue;
  readonly recorder: EventRecorder;
}

/** Places pods one at a time; `reconcile` takes a pod's key. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #usage = new Usage();
  readonly #waiting = new Set<string>();

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
    const verdicts = judgeNodes(pod, {
      nodes: this.#options.nodeCache.list(),
      placed: this.#usage,
      used: (node) => this.#usage.of(node),
      namespaceLabels: (name) => this.#options.namespaceCache.get(name)?.metadata.labels ?? {},
    });
    const best = bestNode(verdicts);
    if (best === undefined) return this.#cannot(ctx, pod, unschedulableMessage(verdicts.map(({ reasons }) => reasons)));
    await this.#bind(ctx, pod, best);
    return undefined;
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
    this.#options.recorder.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${keyOf(pod)} to ${node}`);
  }

  async #cannot(ctx: Context, pod: Pod, message: string): Promise<ReconcileResult> {
    this.#waiting.add(keyOf(pod));
    const known = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message) return { requeueAfterMs: retryMs };
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
      after: { ...pod, status: { ...pod.status, conditions } },
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
