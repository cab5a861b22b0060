/** What the commands need from the program: its runbooks, and the way to the API that holds runs. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { Run, RunRehearsal, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import type { Runbook } from '../src/runbook.ts';

/** Where runs live, and the clusters that they work on. */
export interface RunPlace {
  readonly runsClient: KubeClient;
  readonly namespace: string;
  /** The member named on the command line; absent: the cluster that holds the runs. */
  readonly membership: string | undefined;
  /** The options that lead here again, each with a space before it: for what the user is told to type. */
  readonly again: string;
  /** The cluster of a run; absent: the one that holds the runs. */
  clusterClient(ctx: Context, membership: string | undefined): Promise<KubeClient>;
  /** Whether a hub may carry runs on that were handed over to it. */
  readonly hub: boolean;
  /** Before the first Run is made: kinds and namespace. */
  prepare(ctx: Context): Promise<void>;
}

/** How the program is put together. */
export interface RunbookSetup {
  readonly runbooks: readonly Runbook[];
  /** Options that say where; `open` reads them. */
  readonly options: readonly OptionSpec[];
  /** Candidates for the values of `options`. */
  readonly complete?: NonNullable<Command['complete']>;
  readonly open: (ctx: Context, input: CommandInput, environment: CommandEnvironment) => Promise<RunPlace>;
  /** Where a run differed from what a rehearsal of it predicted; undefined when it was not rehearsed. */
  readonly compare?: (run: Run, steps: readonly RunStep[]) => Promise<Comparison | undefined>;
  /** What a run that is about to be made takes along of its rehearsal. `file`: the one that the user names. */
  readonly rehearsed?: (spec: Run['spec'], file: string | undefined) => Promise<Rehearsed>;
}

/** Whether a run was rehearsed. */
export interface Rehearsed {
  /** A line for the user; empty where there is nothing to say. */
  readonly said: string;
  /** Absent: it was not. */
  readonly rehearsal?: RunRehearsal;
}

/** Part of a report. */
export interface Comparison {
  readonly markdown: string;
  /** JSON. */
  readonly data: unknown;
}
