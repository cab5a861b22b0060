/** What a pod asks of a node, in exact numbers. */
import type { Container, Pod, PodSpec } from '@polyanthus/kube-kinds/core';
import { parseQuantity } from '@polyanthus/kube-objects/quantity';

/** Nanounits by resource; `pods` is always 1. */
export type Requests = ReadonlyMap<string, bigint>;

const onePod = 1_000_000_000n;

/**
 * Containers and those init containers that keep running (restartPolicy Always) at once, or an init container with those
 * before it where that is more; resources of the whole pod instead where it has them; its overhead on top.
 */
export function podRequests(pod: Pod): Requests {
  const total = new Map<string, bigint>();
  const peaks = new Map<string, bigint>();
  for (const container of pod.spec.initContainers ?? []) {
    for (const [name, value] of requestsOf(container)) {
      const peak = value + (total.get(name) ?? 0n);
      if (peak > (peaks.get(name) ?? 0n)) peaks.set(name, peak);
      if (container['restartPolicy'] === 'Always') total.set(name, peak);
    }
  }
  for (const container of pod.spec.containers)
    for (const [name, value] of requestsOf(container)) total.set(name, (total.get(name) ?? 0n) + value);
  for (const [name, value] of peaks) if (value > (total.get(name) ?? 0n)) total.set(name, value);
  for (const [name, value] of requestsOf(pod.spec)) total.set(name, value);
  for (const [name, value] of quantities(pod.spec['overhead'])) total.set(name, (total.get(name) ?? 0n) + value);
  total.set('pods', onePod);
  return total;
}

function requestsOf(container: Container | PodSpec): readonly (readonly [string, bigint])[] {
  const resources = container['resources'] as
    | { readonly requests?: unknown; readonly limits?: Readonly<Record<string, unknown>> }
    | undefined;
  // A limit without a request is a request (kube-apiserver defaults it; objects of other servers may lack it).
  return quantities({ ...resources?.limits, ...(resources?.requests as object | undefined) });
}

/** Quantities of a map as the API gives it; what is none counts as nothing. */
export function quantities(map: unknown): readonly (readonly [string, bigint])[] {
  if (typeof map !== 'object' || map === null) return [];
  return Object.entries(map).flatMap(([name, text]) => {
    try {
      return [[name, parseQuantity(text as string).nano] as const];
    } catch {
      return [];
    }
  });
}
