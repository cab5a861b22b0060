/** How the pods of a node end, as their watch tells it: at once, and by whom. */
import { Bell } from '@polyanthus/ground-base/bell';
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { follow, type Following } from '@polyanthus/kube-client/follow';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import type { KubeList } from '@polyanthus/kube-objects/meta';

/** A word of the node's kubelet, which only a kubelet that lives can have said. */
export interface KubeletWord {
  /** `namespace/name` of a pod whose containers ran when the drain began, and which it has ended. */
  readonly pod: string;
  /** By the monotonic clock of this process. */
  readonly atMs: number;
}

/** Follows the pods of a node from a list of them on. */
export class PodEndings {
  readonly #following: Following;
  readonly #bells = new Map<string, Bell>();
  readonly #ended = new Set<string>();
  #word: KubeletWord | undefined;

  constructor(ctx: Context, client: KubeClient, node: string, list: KubeList<Pod>) {
    const before = new Map(list.items.map((pod) => [pod.metadata.uid ?? '', pod]));
    const { resourceVersion } = list.metadata;
    const at = { fieldSelector: `spec.nodeName=${node}`, resourceVersion };
    this.#following = follow(
      ctx,
      (inner) => client.watch(inner, pods, at),
      ({ type, object }) => {
        if (type === 'BOOKMARK') return;
        const { uid = '', namespace = '', name = '' } = object.metadata;
        if (isEndedByKubelet(before.get(uid), object))
          this.#word = { pod: `${namespace}/${name}`, atMs: ctx.clock.monotonic() };
        if (type !== 'DELETED') return;
        this.#ended.add(uid);
        this.#bells.get(uid)?.ring();
      },
    );
  }

  /** The last word of the kubelet since the list; undefined when there was none, or nobody listened. */
  get word(): KubeletWord | undefined {
    return this.#word;
  }

  /** Whether an end that is not told would be seen. */
  get alive(): boolean {
    return this.#following.alive();
  }

  isGone(uid: string): boolean {
    return this.#ended.has(uid);
  }

  /** Waits until the pod is gone, `delayMs` at most. */
  async wait(ctx: Context, uid: string, delayMs: number): Promise<void> {
    const bell = new Bell();
    this.#bells.set(uid, bell);
    if (!this.#ended.has(uid)) await bell.wait(ctx, delayMs);
    this.#bells.delete(uid);
  }

  stop(): void {
    this.#following.stop();
  }
}

/** Nobody but the kubelet writes what became of containers: somebody who deletes a pod by force leaves them running. */
function isEndedByKubelet(before: Pod | undefined, after: Pod): boolean {
  const ran = new Set(
    (before?.status?.containerStatuses ?? []).filter((one) => one.state?.running !== undefined).map((one) => one.name),
  );
  const now = after.status?.containerStatuses ?? [];
  return now.some((one) => ran.has(one.name) && one.state?.terminated !== undefined);
}
