/** Long work as objects, `runbook.polyanthus.dev/v1` (DESIGN section 4 "Runbook"): a Run, and one RunStep per step and target. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';

/** API group of runs. */
export const runbookGroup = 'runbook.polyanthus.dev';

/** An object that a run works on, as it was found when the run was made. */
export interface RunTarget {
  readonly apiVersion: string;
  readonly kind: string;
  /** Plural: the segment of the URL. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name: string;
  /** An object of the same name and another uid is not this target. */
  readonly uid: string;
}

/** Where a run stands. Succeeded, Failed, Aborted and Undone wait for a request; the others are under way. */
export type RunPhase =
  | 'Pending'
  | 'Running'
  | 'Waiting'
  | 'Paused'
  | 'Undoing'
  | 'Succeeded'
  | 'Failed'
  | 'Aborted'
  | 'Undone';

/** A rehearsal in short: 16 KiB at most, however many targets it had. Times are milliseconds. */
export interface RunRehearsal {
  readonly madeAt: string;
  readonly verdict: 'sound' | 'unknown' | 'problems';
  readonly snapshot: {
    readonly takenAt: string;
    readonly source: string;
    /** SHA-256 (hex) of what was planned on. */
    readonly hash?: string;
  };
  /** SHA-256 (hex) of runbook, edition, parameters and targets. */
  readonly plan: string;
  readonly endMs: number;
  readonly evictions: number;
  /** Steps whose time was unknown, and is no part of `endMs`. */
  readonly uncounted?: readonly string[];
  readonly unknowns: number;
  readonly findingCount: number;
  /** The gravest of them, at most 20. */
  readonly findings: readonly {
    readonly severity: 'error' | 'warning' | 'info';
    readonly code: string;
    readonly object: { readonly kind: string; readonly namespace?: string; readonly name: string };
    /** `STEP/TARGET` that shows it. */
    readonly step?: string;
    /** Of the pods that it concerns, at most 5. */
    readonly pods?: readonly string[];
  }[];
  /** Each step on all of its targets, at most 50. */
  readonly stepKinds: readonly {
    readonly step: string;
    readonly count: number;
    readonly medianMs: number;
    readonly maxMs: number;
    readonly evictions?: number;
  }[];
  /** Each step of the plan in its order; absent for more than 200 of them. */
  readonly steps?: readonly { readonly ms: number; readonly evictions?: number; readonly fails?: boolean }[];
}

/** A runbook being carried out. Users write the spec, executors the status. */
export interface Run extends KubeObject {
  readonly spec: {
    readonly runbook: string;
    /** SHA-256 (hex) of the runbook's data: an executor that has another one refuses. */
    readonly digest: string;
    readonly engineVersion: string;
    /** Values by the runbook's own schema. */
    readonly parameters?: Readonly<Record<string, unknown>>;
    /** The member of the fleet that is worked on; absent: the cluster that holds this object. */
    readonly membership?: string;
    readonly targets: readonly RunTarget[];
    /** What to do when a step is red for good. */
    readonly onRed?: {
      readonly policy: 'stop' | 'retry' | 'undo';
      /** `undo`: the last step that stays; absent: nothing stays. */
      readonly undoTo?: string;
      /** `retry`: how often the red steps are begun anew. */
      readonly rounds?: number;
    };
    /** What a rehearsal of this very plan said before the run was made. Nothing is decided by it; reports compare with it. */
    readonly rehearsal?: RunRehearsal;
    /** Nothing new is begun while this is set. */
    readonly paused?: boolean;
    readonly abort?: boolean;
    /** `STEP` for every target, `STEP/TARGET` for one. */
    readonly approvals?: readonly string[];
    /** Raised to have a run that stopped go on. */
    readonly resumes?: number;
    /** The number is raised with every request. */
    readonly undo?: { readonly number: number; readonly to?: string };
  };
  readonly status?: {
    readonly phase?: RunPhase;
    readonly message?: string;
    /** Raised by every executor that takes over; what a lower one writes is refused. */
    readonly epoch?: number;
    /** Identity of the executor. */
    readonly holder?: string;
    readonly direction?: 'forward' | 'back';
    readonly undoTo?: string;
    /** Requests of the spec that were served. */
    readonly resumes?: number;
    readonly undos?: number;
    /** Rounds of `onRed.policy: retry` used up. */
    readonly rounds?: number;
    readonly startedAt?: string;
    readonly endedAt?: string;
    readonly steps?: {
      readonly total: number;
      readonly proven: number;
      readonly failed: number;
      readonly undone: number;
    };
    /** Steps that wait for an approval or an answer, at most 20. */
    readonly waitingFor?: readonly string[];
    /** Writes that an executor had decided before another one took over, and that were answered after it. */
    readonly late?: {
      readonly count: number;
      /** The last of them, at most 20. */
      readonly writes: readonly {
        /** Of the executor that had decided it. */
        readonly epoch: number;
        /** When its answer arrived. */
        readonly at: string;
        readonly step: string;
        readonly what: string;
      }[];
    };
  };
}
/** Type of Run, for clients. */
export const runs = resourceType<Run>(runbookGroup, 'v1', 'runs', 'Run', true);

/** Intended: about to act, or in it. Acted: the action ended, its proof is awaited. The same for undoing. */
export type RunStepState =
  | 'Pending'
  | 'Intended'
  | 'Acted'
  | 'Proven'
  | 'Failed'
  | 'UndoIntended'
  | 'UndoActed'
  | 'Undone';

/** One step of a run on one target. Written by the executor alone. */
export interface RunStep extends KubeObject {
  readonly spec: {
    readonly run: string;
    /** Place in the plan, from 0. */
    readonly order: number;
    readonly stage: string;
    /** Lane within the stage: the steps of one lane follow each other. */
    readonly lane: number;
    readonly step: string;
    readonly title: string;
    readonly target?: RunTarget;
  };
  readonly status?: {
    readonly state?: RunStepState;
    /** Of the executor that wrote last. */
    readonly epoch?: number;
    /** Intents so far. */
    readonly attempt?: number;
    /** Attempts that failed; being killed is no failure. */
    readonly failures?: number;
    readonly intentAt?: string;
    readonly actedAt?: string;
    readonly provenAt?: string;
    /** What undo restores: taken before the first intent, never overwritten. */
    readonly before?: unknown;
    /** What a proof must be fresher than. */
    readonly mark?: unknown;
    /** What an action keeps for whoever goes on with it, such as since when it is refused something. */
    readonly kept?: unknown;
    /** The observation that proved the step. */
    readonly evidence?: string;
    /** Why it is not proven. */
    readonly message?: string;
    readonly undo?: {
      readonly attempt: number;
      readonly intentAt?: string;
      readonly provenAt?: string;
      readonly evidence?: string;
    };
  };
}
/** Type of RunStep, for clients. */
export const runSteps = resourceType<RunStep>(runbookGroup, 'v1', 'runsteps', 'RunStep', true);

/**
 * Hands a Run of the same name to the hub, which carries it out with an account of its own when no other executor does. Who
 * may create these objects decides who may have the hub work for them.
 */
export interface RunHandover extends KubeObject {
  readonly spec: {
    /** uid of the Run. */
    readonly run: string;
    /** SHA-256 (hex) of what the Run is to do: a Run that was changed afterwards is not carried out. */
    readonly digest: string;
    /**
     * The Run's. Who writes this needs the verb `handover` on that membership.
     * @minLength 1
     */
    readonly membership: string;
    /**
     * A Secret of the same namespace and type kubernetes.io/ssh-auth, with `known_hosts` beside `ssh-privatekey`: the way to
     * hosts. Who writes this needs the verb `get` on that Secret.
     * @minLength 1
     */
    readonly sshSecret?: string;
    /** SHA-256 (hex) of what the Secret held: one that was changed afterwards is not used. */
    readonly sshSecretDigest?: string;
  };
  readonly status?: {
    /** Why the hub does not carry it out; empty while nothing is in the way. */
    readonly message?: string;
  };
}
/** Type of RunHandover, for clients. */
export const runHandovers = resourceType<RunHandover>(runbookGroup, 'v1', 'runhandovers', 'RunHandover', true);

/** On every RunStep: the name of its Run. */
export const runLabel = 'runbook.polyanthus.dev/run';

/** On every target while a run holds it: `NAMESPACE/RUN/UID/EPOCH`. */
export const claimAnnotation = 'runbook.polyanthus.dev/claim';
