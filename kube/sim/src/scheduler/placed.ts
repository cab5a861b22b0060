/** Pods and where they are, as the rules of others look at them. */
import type { Pod } from '@polyanthus/kube-kinds/core';

/** A pod with the node that it takes room on. */
export interface PlacedPod {
  readonly pod: Pod;
  readonly node: string;
}

/** Pods that take room: bound or on their way to a node, and not finished. */
export interface PlacedPods {
  all(): Iterable<PlacedPod>;
  inNamespace(namespace: string): Iterable<PlacedPod>;
  on(node: string): Iterable<PlacedPod>;
  /** Those with required anti-affinity. */
  withAntiAffinity(): Iterable<PlacedPod>;
}
