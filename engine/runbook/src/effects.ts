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
  /** Waits for the node's heartbeat and readiness. */
  | { readonly kind: 'await-node' }
  /** Waits until the controllers of what was evicted have their pods back. */
  | { readonly kind: 'await-pods' };
