/**
 * What a step does to a cluster, as data: what a rehearsal predicts from, without calling the step's functions. A step
 * without an effect takes time and changes nothing that a rehearsal knows.
 */

/** Names of the parameters that allow what `kubectl drain` calls the same; absent: not allowed. */
export interface DrainParameters {
  readonly force?: string;
  readonly ignoreDaemonSets?: string;
  readonly deleteEmptyDirData?: string;
}

/** The lane's target is a Node in each of them. */
export type StepEffect =
  /** Looks whether any pod of the node forbids the drain. */
  | { readonly kind: 'judge-node'; readonly allow: DrainParameters }
  | { readonly kind: 'cordon-node' }
  /** Evicts by `engine/drain`, gives up `marginMs` before its deadline, or deletes when parameter `forceAfter` has passed. */
  | {
      readonly kind: 'drain-node';
      readonly allow: DrainParameters;
      readonly forceAfter?: string;
      readonly retryMs: number;
      readonly marginMs: number;
    }
  /** Puts the cordon back as it was found. */
  | { readonly kind: 'restore-node' }
  /**
   * Waits for a sign of life of the node's kubelet, and readiness. A pod that it ended for the drain is one; with a value
   * other than false for one of `handsOn` only a new heartbeat is.
   */
  | { readonly kind: 'await-node'; readonly handsOn?: readonly string[] }
  /** Waits until the controllers of what was evicted have their pods back. */
  | { readonly kind: 'await-pods' };

/** Whether a node is in other hands for a while, by the parameters of the run: then its kubelet has to show itself anew. */
export function inOtherHands(
  { handsOn = [] }: { readonly handsOn?: readonly string[] },
  parameters: Readonly<Record<string, unknown>>,
): boolean {
  return handsOn.some((name) => parameters[name] !== undefined && parameters[name] !== false);
}

/** What a step with the effect `drain-node` leaves as its mark, for the comparison with a rehearsal. Lists are short. */
export interface DrainMark {
  readonly evicted: number;
  /** The executor was killed in an earlier attempt: there may have been more. */
  readonly atLeast?: true;
  /** How often budgets said no. */
  readonly blockedTimes: number;
  /** Budgets that did, `namespace/name`. */
  readonly blockedBy?: readonly string[];
  /** Controllers that had no ready pod once everything was evicted: `Kind namespace/name`. */
  readonly down?: readonly string[];
}
