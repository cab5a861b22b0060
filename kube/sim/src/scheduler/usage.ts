/** What is taken of each node: by pods that are bound, and by those whose binding is on its way. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { podRequests, type Requests } from './requests.ts';

interface Taken {
  readonly node: string;
  readonly requests: Requests;
}

/** Requests taken, by node. */
export class Usage {
  readonly #pods = new Map<string, Taken>();
  readonly #nodes = new Map<string, Map<string, bigint>>();

  of(node: string): Requests {
    return this.#nodes.get(node) ?? new Map();
  }

  /** Counts a pod on a node; a pod that was counted there already is not counted twice. */
  take(uid: string, node: string, requests: Requests): void {
    if (this.#pods.get(uid)?.node === node) return;
    this.release(uid);
    this.#pods.set(uid, { node, requests });
    this.#add(node, requests, 1n);
  }

  release(uid: string): void {
    const taken = this.#pods.get(uid);
    if (taken === undefined) return;
    this.#pods.delete(uid);
    this.#add(taken.node, taken.requests, -1n);
  }

  /** Follows a pod as the cache shows it. Finished pods take nothing. */
  observe(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (finished) this.release(uid);
    else if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '')
      this.take(uid, pod.spec.nodeName, podRequests(pod));
  }

  #add(node: string, requests: Requests, sign: bigint): void {
    const used = this.#nodes.get(node) ?? new Map<string, bigint>();
    for (const [name, value] of requests) used.set(name, (used.get(name) ?? 0n) + sign * value);
    this.#nodes.set(node, used);
  }
}
