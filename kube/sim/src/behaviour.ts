/** How simulated pods behave, as data. */
import type { Pod } from '@polyanthus/kube-kinds/core';

/** How pods behave; absent fields mean a healthy pod that runs for ever. */
export interface PodBehaviour {
  /** Which pods it is for; everything given must match. Absent: all. */
  readonly match?: {
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    /** Beginning of the image of any of its containers. */
    readonly image?: string;
    readonly node?: string;
  };
  /** From binding to running: pulling and creating; 1,000 ms. */
  readonly startDelayMs?: number;
  /** From running to ready; 500 ms. `never`: the readiness probe always fails. */
  readonly readyDelayMs?: number | 'never';
  /** How long containers take to end when told to; 200 ms. Beyond the grace period they are killed (137). */
  readonly shutdownMs?: number;
  /**
   * How runs of the containers end by themselves: the first entry is the first run, the last one is for all further runs.
   * Absent: they run for ever. With restartPolicy Always and short runs this is a crash loop.
   */
  readonly runs?: readonly { readonly durationMs: number; readonly exitCode: number }[];
  /** The image cannot be pulled: never, or the first times so often, each tried again after kubelet's back-off. */
  readonly imagePullFails?: boolean | number;
  /**
   * How runs of the init containers end, as `runs`; they move together. A run that fails is tried again after the back-off,
   * or ends the pod with restartPolicy Never; after one with exit code 0 the containers start. Absent: they end well at once.
   */
  readonly initRuns?: readonly { readonly durationMs: number; readonly exitCode: number }[];
}

/** All behaviours at once: the first that matches counts. */
export function behaviourOf(behaviours: readonly PodBehaviour[], pod: Pod): PodBehaviour {
  return behaviours.find((behaviour) => matches(behaviour, pod)) ?? {};
}

function matches({ match }: PodBehaviour, pod: Pod): boolean {
  if (match === undefined) return true;
  const { namespace, labels = {}, image, node } = match;
  return (
    (namespace === undefined || pod.metadata.namespace === namespace) &&
    (node === undefined || pod.spec.nodeName === node) &&
    Object.entries(labels).every(([key, value]) => pod.metadata.labels?.[key] === value) &&
    (image === undefined || pod.spec.containers.some((container) => container.image?.startsWith(image) === true))
  );
}
