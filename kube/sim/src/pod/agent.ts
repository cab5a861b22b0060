/** What kubelets do with the pods of all simulated nodes: run them by the machine, report, and end them. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { behaviourOf, type PodBehaviour } from '../behaviour.ts';
import type { NodeRegistry } from '../node/registry.ts';
import { advance, hasStarted, isReady, resumeRun, shutdownOf, type PodRun } from './run.ts';
import { podStatus } from './status.ts';

/** What the pod agent reads and writes. */
export interface PodAgentOptions {
  readonly client: KubeClient;
  readonly cache: Informer<Pod>;
  readonly nodes: NodeRegistry;
  readonly behaviours: readonly PodBehaviour[];
  readonly recorder: EventRecorder;
}

const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** Runs the pods that are bound to simulated nodes; `reconcile` takes a pod's key. */
export class PodAgent {
  readonly #options: PodAgentOptions;
  /** By pod uid. */
  readonly #runs = new Map<string, PodRun>();

  constructor(options: PodAgentOptions) {
    this.#options = options;
    options.cache.onEvent({ onDelete: (pod) => this.#forget(pod) });
  }

  /** One look at one pod; answers when to look again. */
  async reconcile(ctx: Context, key: string): Promise<ReconcileResult | void> {
    const pod = this.#options.cache.get(key);
    if (pod?.spec.nodeName === undefined) return undefined;
    const node = this.#options.nodes.get(pod.spec.nodeName);
    // Pods of nodes that somebody else runs are somebody else's.
    if (node === undefined) return undefined;
    const outageEndsMs = node.silentUntilMs(ctx.clock.now());
    if (outageEndsMs !== undefined)
      return outageEndsMs === Infinity ? undefined : { requeueAfterMs: outageEndsMs - ctx.clock.now() };
    const behaviour = behaviourOf(this.#options.behaviours, pod);
    const nowMs = ctx.clock.now();
    const uid = pod.metadata.uid ?? '';
    if (pod.metadata.deletionTimestamp === undefined && node.node.copied?.podUids.has(uid) === true) {
      // Its address is not given to another one.
      if (pod.status?.podIP !== undefined && pod.spec['hostNetwork'] !== true)
        node.addresses.take(uid, pod.status.podIP);
      return undefined;
    }
    // What has ended never runs again, whatever its containers say and whoever wrote the end; it can only be removed.
    if (hasEnded(pod)) return pod.metadata.deletionTimestamp === undefined ? undefined : this.#remove(ctx, pod);
    const { run, nextAtMs } = advance(this.#runs.get(uid) ?? resumeRun(pod, nowMs), pod, behaviour, nowMs);
    this.#runs.set(uid, run);
    const shutdown = shutdownOf(pod, behaviour);
    if (shutdown !== undefined && (run.phase !== 'running' || shutdown.endsAtMs <= nowMs))
      return this.#end(ctx, pod, run, shutdown.exitCode);
    const starts = hasStarted(run) || run.phase === 'init';
    const podIp =
      pod.spec['hostNetwork'] === true ? node.hostIp : starts ? node.addresses.take(uid, pod.status?.podIP) : undefined;
    const ready = shutdown === undefined && isReady(run, behaviour, nowMs);
    await this.#report(ctx, pod, podStatus({ pod, run, ready, hostIp: node.hostIp, podIp, nowMs }));
    this.#warn(pod, run);
    const dueMs = Math.min(nextAtMs ?? Infinity, shutdown?.endsAtMs ?? Infinity);
    return dueMs === Infinity ? undefined : { requeueAfterMs: Math.max(1, dueMs - nowMs) };
  }

  /** The last status, then the deletion that only a kubelet may do: with grace 0. */
  async #end(ctx: Context, pod: Pod, run: PodRun, exitCode: number): Promise<void> {
    const last = pod.spec.nodeName === undefined ? undefined : this.#options.nodes.get(pod.spec.nodeName);
    if (last !== undefined && run.phase === 'running') {
      const nowMs = ctx.clock.now();
      const ended: PodRun = {
        phase: 'ended',
        sinceMs: nowMs,
        restarts: run.restarts,
        last: { exitCode, startedMs: run.sinceMs, endedMs: nowMs },
      };
      await this.#report(
        ctx,
        pod,
        podStatus({ pod, run: ended, ready: false, hostIp: last.hostIp, podIp: undefined, nowMs }),
      );
    }
    await this.#remove(ctx, pod);
  }

  async #remove(ctx: Context, pod: Pod): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata;
    try {
      await this.#options.client.delete(
        ctx,
        pods,
        { namespace, name },
        { gracePeriodSeconds: 0, preconditions: { uid } },
      );
    } catch (error) {
      if (!hasCode(error, 'NotFound') && !hasCode(error, 'Conflict')) throw error;
    }
  }

  async #report(ctx: Context, pod: Pod, status: NonNullable<Pod['status']>): Promise<void> {
    // Gone, or changed since: the change itself wakes the next round.
    await unlessGone(commit(ctx, this.#options.client, pods, { before: pod, after: { ...pod, status } }));
  }

  #warn(pod: Pod, run: PodRun): void {
    const container = pod.spec.containers[0];
    const known = pod.status?.containerStatuses?.[0]?.state?.waiting?.reason;
    if (run.phase === 'unpullable' && known !== 'ImagePullBackOff' && known !== 'ErrImagePull') {
      this.#options.recorder.record(
        pod,
        'Warning',
        'Failed',
        `Failed to pull image "${container?.image ?? ''}": not found`,
      );
    }
    if (run.phase === 'waiting' && known !== 'CrashLoopBackOff') {
      this.#options.recorder.record(
        pod,
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container?.name ?? ''} in pod ${pod.metadata.name ?? ''}`,
      );
    }
  }

  #forget(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    this.#runs.delete(uid);
    if (pod.spec.nodeName !== undefined) this.#options.nodes.get(pod.spec.nodeName)?.addresses.release(uid);
  }
}
