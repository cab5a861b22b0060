/** `polyanthus runbook rehearse`: what a run would do, found out without doing it. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { parseDurationMs } from '@polyanthus/ground-cli-kit/duration';
import { argument, text, texts } from '@polyanthus/ground-cli-kit/input';
import { dumpYaml } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { completersOf } from '@polyanthus/engine-runbook/commands/completers';
import type { Comparison, Rehearsed, RunbookSetup } from '@polyanthus/engine-runbook/commands/place';
import { parametersFromTexts, readParameters, type ParameterValues } from '@polyanthus/engine-runbook/parameters';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import { findRunbook } from '@polyanthus/engine-runbook/runbooks';
import { takeSnapshot, type Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import { readSnapshot } from '@polyanthus/engine-sandbox/snapshot-file';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { minorOf } from '../src/apis/api-use.ts';
import { compareRun, comparisonMarkdown } from '../src/compare.ts';
import { learnFromRuns } from '../src/earlier-runs.ts';
import { rehearsalErrors } from '../src/errors.ts';
import { harmless } from '../src/live/guard.ts';
import { probe, type Probed } from '../src/live/probe.ts';
import { keepPrediction, newestPrediction, predictionOf, readPrediction } from '../src/prediction-file.ts';
import type { Prediction } from '../src/prediction.ts';
import { rehearse } from '../src/rehearse.ts';
import { planDifferences, predictedBy, summaryOf } from '../src/run-summary.ts';
import { snapshotHash } from '../src/snapshot-hash.ts';
import { snapshotClient } from '../src/snapshot-client.ts';
import { predictionText } from '../src/text.ts';
import { LearntTimes } from '../src/times.ts';

/** Where predictions are kept: beside the logs of runs. */
const folder = 'polyanthus-runs';
/** By verdict. */
const exitCodes: Readonly<Record<Prediction['verdict'], number>> = { sound: 0, problems: 3, unknown: 4 };

/** The command, for the runbooks of a program. */
export function rehearseCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Find out what a run would do, without doing it',
    description:
      'Plans the run on a copy of the cluster: budgets that block, replicas that go down, pods that find no node, API versions that go away, webhooks that refuse, and how long each step takes. The live cluster sees get, list, watch and server-side dry runs only; with --snapshot it sees nothing, and what only it can tell is unknown. The prediction is kept in a file; a run of the same plan that is started beside it takes the short of it along, and `polyanthus runbook report` says anywhere where the run differed.\n\nExit codes: 0 the plan is sound, 3 there are problems, 4 there are none but something is unknown.',
    args: [{ name: 'RUNBOOK', help: 'name of the runbook', complete: 'runbooks' }],
    complete: completersOf(setup),
    options: [
      ...setup.options,
      {
        name: 'parameter',
        short: 'p',
        kind: 'string',
        value: 'NAME=VALUE',
        repeat: true,
        help: 'a parameter of the runbook',
        complete: 'parameters',
      },
      { name: 'snapshot', kind: 'string', value: 'FILE', help: 'plan on this file of `polyanthus sandbox snapshot`' },
      {
        name: 'target-version',
        kind: 'string',
        value: 'VERSION',
        help: 'the Kubernetes version after the run: API versions that it no longer serves are looked for',
      },
      { name: 'output', short: 'o', kind: 'string', choices: ['json', 'yaml'], help: 'the prediction as data' },
    ],
    examples: [
      'polyanthus runbook rehearse node-maintenance -p nodes=n1,n2 -p window=2 --membership=edge-1',
      'polyanthus runbook rehearse node-maintenance -p nodes=n1 --snapshot edge-1.snapshot -o json',
    ],
    run: (ctx, input, environment) => rehearseAndPrint(ctx, setup, input, environment),
  };
}

/** What the planner plans on. */
interface Ground {
  readonly snapshot: Snapshot;
  readonly times: LearntTimes;
  readonly probe: (nodes: ReadonlySet<string>) => Promise<Probed | undefined>;
}

async function rehearseAndPrint(
  ctx: Context,
  setup: RunbookSetup,
  input: CommandInput,
  environment: CommandEnvironment,
): Promise<number> {
  const runbook = findRunbook(setup.runbooks, argument(input, 0));
  const parameters = valuesOf(runbook, texts(input, 'parameter'));
  const targetMinor = targetMinorOf(text(input, 'target-version'));
  const ground = await groundOf(ctx, setup, { runbook, parameters }, input, environment);
  const { snapshot, times } = ground;
  const targets = await runbook.targets(ctx, snapshotClient(snapshot), parameters);
  const probed = await ground.probe(new Set(targets.filter((one) => one.kind === 'Node').map((one) => one.name)));
  const madeAt = new Date(ctx.clock.now()).toISOString();
  const planned = rehearse({ snapshot, runbook, parameters, targets, times, targetMinor, probed, madeAt }).prediction;
  const prediction = { ...planned, snapshot: { ...planned.snapshot, hash: snapshotHash(snapshot) } };
  const file = await keepPrediction(folder, prediction);
  environment.io.err(`kept for the report: ${file}\n`);
  environment.io.out(printed(prediction, text(input, 'output')));
  return exitCodes[prediction.verdict];
}

function valuesOf(runbook: Runbook, given: readonly string[]): ParameterValues {
  const values = parametersFromTexts(runbook.id, runbook.parameters, given, parseDurationMs);
  return readParameters(runbook.id, runbook.parameters, values);
}

function targetMinorOf(version: string | undefined): number | undefined {
  if (version === undefined) return undefined;
  const minor = minorOf(version);
  if (minor === undefined)
    throw rehearsalErrors.error(
      'TargetVersionInvalid',
      `--target-version ${version} is no version such as 1.37 or v1.37.2`,
    );
  return minor;
}

async function groundOf(
  ctx: Context,
  setup: RunbookSetup,
  what: { readonly runbook: Runbook; readonly parameters: ParameterValues },
  input: CommandInput,
  environment: CommandEnvironment,
): Promise<Ground> {
  const file = text(input, 'snapshot');
  if (file !== undefined)
    return {
      snapshot: await readSnapshot(ctx, file),
      times: new LearntTimes(),
      probe: () => Promise.resolve(undefined),
    };
  const place = await setup.open(ctx, input, environment);
  const client = harmless(await place.clusterClient(ctx, place.membership));
  const at = { ...what, namespace: place.namespace, membership: place.membership };
  const snapshot = await takeSnapshot(ctx, client, { source: place.membership ?? 'the cluster' });
  return {
    snapshot,
    times: await learnFromRuns(ctx, harmless(place.runsClient), at),
    probe: (nodes) => probe(ctx, client, snapshot, nodes),
  };
}

function printed(prediction: Prediction, format: string | undefined): string {
  if (format === 'json') return `${JSON.stringify(prediction, undefined, 2)}\n`;
  return format === 'yaml' ? dumpYaml(prediction as unknown as YamlValue) : predictionText(prediction);
}

/** For `RunbookSetup.compare`: beside the rehearsal that the run took along, or that was kept here before it began. */
export async function compareWithKept(run: Run, steps: readonly RunStep[]): Promise<Comparison | undefined> {
  const taken = predictedBy(run, steps);
  const kept = await predictionOf(folder, run.spec);
  const startedAt = run.status?.startedAt;
  const late = kept !== undefined && startedAt !== undefined && Date.parse(kept.madeAt) > Date.parse(startedAt);
  // The file has more of the same rehearsal; of another one it says nothing about this run.
  const same = taken === undefined ? !late : kept?.madeAt === taken.madeAt;
  const predicted = same ? (kept ?? taken) : taken;
  if (predicted === undefined) return undefined;
  const comparison = compareRun(predicted, run, steps);
  return { markdown: comparisonMarkdown(comparison), data: comparison };
}

/** For `RunbookSetup.rehearsed`. Errors: RehearsalUnreadable, RehearsalOfAnotherPlan. */
export async function rehearsedFor(spec: Run['spec'], file: string | undefined): Promise<Rehearsed> {
  if (file !== undefined) {
    const named = await readPrediction(file);
    const differences = planDifferences(named, spec);
    if (differences.length > 0)
      throw rehearsalErrors.error('RehearsalOfAnotherPlan', `${file}: ${differences.join('; ')}`);
    return taken(named);
  }
  const kept = await predictionOf(folder, spec);
  if (kept !== undefined) return taken(kept);
  const newest = await newestPrediction(folder);
  if (newest?.prediction.runbook !== spec.runbook) return { said: '' };
  const differences = planDifferences(newest.prediction, spec);
  return {
    said: `not rehearsed: the last rehearsal here (${newest.file}) is of another plan: ${differences.join('; ')}\n`,
  };
}

function taken(prediction: Prediction): Rehearsed {
  const { madeAt, verdict, findings } = prediction;
  const problems = findings.filter((one) => one.severity !== 'info').length;
  const found = problems === 0 ? '' : `, ${problems} problems`;
  return { said: `rehearsed at ${madeAt}: ${verdict}${found}\n`, rehearsal: summaryOf(prediction) };
}
