/**
 * What a runbook is: stages of steps as data, with the few functions that look and act. Everything that is no function is
 * part of the digest, so that a run is never carried on by another edition: raise `version` when a function changes.
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { Following } from '@polyanthus/kube-client/follow';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { StepEffect } from './effects.ts';
import type { ParameterSpec, ParameterValues } from './parameters.ts';

/** What an observation says. */
export interface Verdict {
  readonly ok: boolean;
  /** What was seen, for the report; of a verdict that is not ok, what is missing. */
  readonly evidence: string;
  /** Of one that is not ok: looking again will not change it, because it was never begun, or because it has failed. */
  readonly final?: 'not-begun' | 'failed';
}

/** Which step of which run this is: how a host tells what was begun for it, and by whom. */
export interface StepIdentity {
  readonly run: string;
  readonly namespace: string;
  readonly uid: string;
  /** When the Run was made, by the API that holds it. */
  readonly madeAtMs: number;
  /** Of the executor that works now. */
  readonly epoch: number;
  readonly step: string;
  /** Intents so far: that of the action under way. */
  readonly attempt: number;
}

/** What a step gets to work with. */
export interface StepScope {
  /** Of the cluster that is worked on. Before each write it makes sure that this executor still holds the run. */
  readonly client: KubeClient;
  readonly parameters: ParameterValues;
  /** Absent in lanes without one. */
  readonly target: RunTarget | undefined;
  readonly identity: StepIdentity;
  /** The target as it is now, uncached. Throws TargetReplaced when it is gone, or another object has its name. */
  live(): Promise<KubeObject>;
  /** What `before` gave, of this step or an earlier one of the lane. */
  beforeOf(step: string): unknown;
  /** What `mark` gave, or the action left; while it acts, what an earlier attempt left. */
  readonly mark: unknown;
  /** The mark of an earlier step of the lane. */
  markOf(step: string): unknown;
  /**
   * Leaves what the action did as the mark of its step, instead of `mark`; JSON, small. It is stored with the end of the
   * attempt, red or not: an executor that is killed before leaves none.
   */
  leave(mark: unknown): void;
  /** What this step kept last, by whichever executor, since it was begun or a request began it again. */
  kept(): unknown;
  /** Keeps JSON with the step, in place of what was kept, for whoever goes on with it. */
  keep(value: unknown): Promise<void>;
  /**
   * Asks the step's question, and answers whether it was approved by now; it does not wait. `why` is shown to the user.
   */
  ask(why: string): Promise<boolean>;
  /** A line for the log of the run. */
  note(message: string): void;
  /** The one gate for whatever touches an API or a host: says so in the log, and refuses when the run was taken over. */
  effect<T>(on: string, sentence: string, fn: () => Promise<T>): Promise<T>;
  /**
   * Changes a target that is ours: reads it, makes sure of claim and epoch, then patches (merge) with uid and
   * resourceVersion, so that a write that comes late is a conflict. `patch` answers undefined when nothing is to do.
   */
  change(sentence: string, patch: (live: KubeObject) => object | undefined): Promise<void>;
}

/** What is observed until it is so. */
export interface Observation {
  /** A sentence: what is observed. */
  readonly sentence: string;
  readonly observe: (ctx: Context, scope: StepScope) => Promise<Verdict>;
  /**
   * Watches what the observation depends on, and calls `wake` whenever looking again may tell something new. Looks at
   * intervals go on, so that it may miss a change or end early.
   */
  readonly follow?: (ctx: Context, scope: StepScope, wake: () => void) => Following;
}

/** Restores what `before` gave; carried out and proven as a step of its own. */
export interface UndoDefinition {
  readonly title: string;
  readonly act: (ctx: Context, scope: StepScope) => Promise<void>;
  readonly prove: (ctx: Context, scope: StepScope) => Promise<Verdict>;
}

/** How a run ends: with everything done or undone, or `aborted` in the middle. */
export type RunEnding = 'ended' | 'aborted';

/** See `ActionStep.release`. */
export interface ReleaseDefinition {
  /** Ends what goes on there first when the run is aborted. Called again by successors. The verdict: how the step's work stands. */
  readonly act: (ctx: Context, scope: StepScope, ending: RunEnding) => Promise<Verdict>;
  /** For an aborted run where that failed: what may still go on where, and how a person ends it. */
  readonly otherwise: (scope: StepScope) => string;
}

/** On a parameter: that it has this value; without `equals`, that it is set at all. */
export interface ParameterCondition {
  readonly parameter: string;
  readonly equals?: boolean | string;
}

/** Something that only the user may decide. */
export interface Question {
  readonly id: string;
  /** `may …`: what an approval allows. */
  readonly title: string;
  /** Asked only when this parameter is set. */
  readonly parameter: string;
}

interface StepBase {
  readonly id: string;
  readonly title: string;
  /** Planned only when this is so; of several, when one of them is. */
  readonly when?: ParameterCondition | readonly ParameterCondition[];
  /** What a rehearsal predicts from. */
  readonly effect?: StepEffect;
}

/** A step that changes something. */
export interface ActionStep extends StepBase {
  readonly kind: 'action';
  /** A sentence: what it changes. */
  readonly touches: string;
  /** Action and proof together, one attempt; milliseconds, or a parameter that gives them. */
  readonly deadline: number | { readonly parameter: string };
  /** Failed attempts at most. */
  readonly attempts: number;
  /** `never`: it may not be done a second time unless it is known that it did not happen. */
  readonly repeat: 'safe' | 'never';
  readonly precondition?: (ctx: Context, scope: StepScope) => Promise<Verdict>;
  /** What undo restores; JSON. */
  readonly before?: (ctx: Context, scope: StepScope) => Promise<unknown>;
  readonly act: (ctx: Context, scope: StepScope) => Promise<void>;
  /** Taken after the action: what a proof must be fresher than (a renewal, a generation); JSON. */
  readonly mark?: (ctx: Context, scope: StepScope) => Promise<unknown>;
  readonly proof: Observation & {
    readonly kind: 'happened' | 'holds';
    /** `holds`: until this later step of the lane is begun; absent: to the end of the run. */
    readonly until?: string;
  };
  /** What it may ask while it acts, approved by its id as an approval step is. */
  readonly question?: Question;
  /** How it is undone, why there is nothing to undo, or that there is no way back from here. */
  readonly undo: UndoDefinition | { readonly nothing: string } | 'point-of-no-return';
  /** What the step holds outside of the cluster, and gives back when the run ends after the step was begun. */
  readonly release?: ReleaseDefinition;
}

/** A step that only looks, until it is so or the deadline has passed. */
export interface CheckStep extends StepBase {
  readonly kind: 'check';
  readonly deadline: number | { readonly parameter: string };
  readonly mark?: (ctx: Context, scope: StepScope) => Promise<unknown>;
  readonly proof: Observation;
}

/** A step that lets time pass (a soak), counted from when it was begun, whoever carries it on. */
export interface WaitStep extends StepBase {
  readonly kind: 'wait';
  readonly duration: number | { readonly parameter: string };
}

/** A step that waits for `polyanthus runbook approve`; for ever. */
export interface ApprovalStep extends StepBase {
  readonly kind: 'approval';
}

/** One step as data. */
export type StepDefinition = ActionStep | CheckStep | WaitStep | ApprovalStep;

/** Steps that follow each other; `each-target`: in a lane of their own for each target, a window of lanes at once. */
export interface Stage {
  readonly id: string;
  readonly title: string;
  readonly lanes: 'once' | 'each-target';
  /** Lanes at once; 1 where absent. */
  readonly window?: number | { readonly parameter: string };
  readonly steps: readonly StepDefinition[];
}

/** A runbook. */
export interface Runbook {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly parameters: readonly ParameterSpec[];
  /** What the run works on; errors for what is not there. Stored in the Run. */
  readonly targets: (ctx: Context, client: KubeClient, parameters: ParameterValues) => Promise<readonly RunTarget[]>;
  /** With one of these parameters set (and not false) a run needs a way to hosts, which not every executor has. */
  readonly hostsParameters?: readonly string[];
  /** Parameters that say how hosts are reached: files where the run is carried out, or a Secret for an executor elsewhere. */
  readonly hostAccess?: { readonly keyFile: string; readonly knownHostsFile: string; readonly secret: string };
  readonly stages: readonly Stage[];
}

/** Whether only an executor with a way to hosts can carry it out. */
export function needsHosts({ hostsParameters = [] }: Runbook, parameters: Readonly<Record<string, unknown>>): boolean {
  return hostsParameters.some((name) => parameters[name] !== undefined && parameters[name] !== false);
}

/** Whether undoing it is an action. */
export function hasUndo(step: StepDefinition): step is ActionStep & { readonly undo: UndoDefinition } {
  return step.kind === 'action' && typeof step.undo === 'object' && 'act' in step.undo;
}

/** A number of the definition, or the one that a parameter gives. */
export function numberOf(value: number | { readonly parameter: string }, parameters: ParameterValues): number {
  if (typeof value === 'number') return value;
  const given = parameters[value.parameter];
  if (typeof given !== 'number') throw new Error(`parameter ${value.parameter} is no number`);
  return given;
}

/** What is wrong with a runbook itself: for tests of runbooks. */
export function defectsOf(runbook: Runbook): readonly string[] {
  const steps = runbook.stages.flatMap((stage) => stage.steps);
  const questions = steps.flatMap((step) => (step.kind === 'action' ? (step.question ?? []) : []));
  const ids = [
    ...steps.map((step) => step.id),
    ...questions.map((one) => one.id),
    ...runbook.stages.map((stage) => `stage ${stage.id}`),
  ];
  const names = new Set(runbook.parameters.map((one) => one.name));
  const used = [
    ...runbook.stages.map((stage) => stage.window),
    ...steps.map(timeOf),
    ...steps.flatMap((step) => step.when ?? []),
    ...questions,
  ].flatMap((one) => (typeof one === 'object' ? [one.parameter] : []));
  return [
    ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id} is there twice`),
    ...used.filter((name) => !names.has(name)).map((name) => `parameter ${name} is not declared`),
    ...runbook.stages.flatMap((stage) => stage.steps.flatMap((step, index) => untilDefects(stage, step, index))),
  ];
}

function timeOf(step: StepDefinition): number | { readonly parameter: string } | undefined {
  if (step.kind === 'approval') return undefined;
  return step.kind === 'wait' ? step.duration : step.deadline;
}

function untilDefects(stage: Stage, step: StepDefinition, index: number): readonly string[] {
  const until = step.kind === 'action' ? step.proof.until : undefined;
  if (until === undefined || stage.steps.slice(index + 1).some((later) => later.id === until)) return [];
  return [`${step.id} holds until ${until}, which does not follow it`];
}
