/** What is taken of each node: by pods that are bound, and by those whose binding is on its way. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import { hasAntiAffinity } from './neighbours.ts';
import type { PlacedPod, PlacedPods } from './placed.ts';
import { podRequests, type Requests } from './requests.ts';

interface Taken extends PlacedPod {
  readonly requests: Requests;
}

/** Requests taken, by node, and the pods that take them. */
export class Usage implements PlacedPods {
  readonly #pods = new Map<string, Taken>();
  readonly #byNode = new Map<string, Set<Taken>>();
  readonly #byNamespace = new Map<string, Set<Taken>>();
  readonly #withAntiAffinity = new Set<Taken>();
  readonly #nodes = new Map<string, Map<string, bigint>>();

  of(node: string): Requests {
    return this.#nodes.get(node) ?? new Map();
  }

  all(): Iterable<PlacedPod> {
    return this.#pods.values();
  }

  inNamespace(namespace: string): Iterable<PlacedPod> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  on(node: string): Iterable<PlacedPod> {
    return this.#byNode.get(node) ?? [];
  }

  withAntiAffinity(): Iterable<PlacedPod> {
    return this.#withAntiAffinity;
  }

  /** Counts a pod on a node, as it is now; a pod that was counted before is not counted twice. */
  take(pod: Pod, node: string, requests: Requests): void {
    const uid = pod.metadata.uid ?? '';
    this.release(uid);
    const taken = { pod, node, requests };
    this.#pods.set(uid, taken);
    addTo(this.#byNode, node, taken);
    addTo(this.#byNamespace, pod.metadata.namespace ?? '', taken);
    if (hasAntiAffinity(pod)) this.#withAntiAffinity.add(taken);
    this.#add(node, requests, 1n);
  }

  release(uid: string): void {
    const taken = this.#pods.get(uid);
    if (taken === undefined) return;
    this.#pods.delete(uid);
    removeFrom(this.#byNode, taken.node, taken);
    removeFrom(this.#byNamespace, taken.pod.metadata.namespace ?? '', taken);
    this.#withAntiAffinity.delete(taken);
    this.#add(taken.node, taken.requests, -1n);
  }

  /** Follows a pod as the cache shows it. Finished pods take nothing. */
  observe(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (finished) this.release(uid);
    else if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '')
      this.take(pod, pod.spec.nodeName, podRequests(pod));
  }

  #add(node: string, requests: Requests, sign: bigint): void {
    const used = this.#nodes.get(node) ?? new Map<string, bigint>();
    for (const [name, value] of requests) used.set(name, (used.get(name) ?? 0n) + sign * value);
    this.#nodes.set(node, used);
  }
}

function addTo(map: Map<string, Set<Taken>>, key: string, taken: Taken): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([taken]));
  else set.add(taken);
}

function removeFrom(map: Map<string, Set<Taken>>, key: string, taken: Taken): void {
  const set = map.get(key);
  set?.delete(taken);
  if (set?.size === 0) map.delete(key);
}
