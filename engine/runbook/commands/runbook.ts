/** `polyanthus runbook list|explain|start|watch|pause|resume|approve|abort|undo|report`, for the runbooks of a program. */
import { writeFile } from 'node:fs/promises';
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandHandler, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { parseDurationMs } from '@polyanthus/ground-cli-kit/duration';
import { argument, flag, requiredText, text, texts } from '@polyanthus/ground-cli-kit/input';
import { outputOption } from '@polyanthus/ground-cli-kit/printer';
import { runs, type Run, type RunPhase } from '@polyanthus/kube-kinds/own/runbook';
import { runbookErrors } from '../src/errors.ts';
import { hasWork } from '../src/executor.ts';
import { explain } from '../src/explain.ts';
import { parametersFromTexts } from '../src/parameters.ts';
import { readRun, reportMarkdown, reportOf } from '../src/report.ts';
import { requestOf, type RunRequest } from '../src/requests.ts';
import { findRunbook, refuseUnapprovable, unknownStep } from '../src/runbooks.ts';
import { prepareRun } from '../src/start.ts';
import { carryOut, startRunbook } from './carry-out.ts';
import { completersOf } from './completers.ts';
import { follow } from './follow.ts';
import { listCommand } from './list.ts';
import type { RunbookSetup, RunPlace } from './place.ts';

/** Options of every command that makes a Run. */
export const startOptions: readonly OptionSpec[] = [
  {
    name: 'name',
    kind: 'string',
    value: 'NAME',
    help: 'name of the run, 50 characters at most; the default is made up',
  },
  {
    name: 'on-red',
    kind: 'string',
    choices: ['stop', 'retry', 'undo'],
    default: 'stop',
    help: 'what to do when a step is red for good',
  },
  { name: 'rounds', kind: 'integer', value: 'N', help: 'for --on-red=retry: how often at most; the default is 3' },
  { name: 'undo-to', kind: 'string', value: 'STEP', help: 'for --on-red=undo: the last step that stays' },
  {
    name: 'rehearsal',
    kind: 'string',
    value: 'FILE',
    help: 'the rehearsal of this run; the default is the one that was kept here, if there is one',
  },
  { name: 'detach', kind: 'boolean', help: 'only make the run; carry it out later with resume' },
  { name: 'dry-run', kind: 'boolean', help: 'check it, print the plan and change nothing' },
  { ...outputOption, choices: ['json', 'yaml', 'name'], help: 'print the run that is made, instead of its name' },
];

const parameterOption: OptionSpec = {
  name: 'parameter',
  short: 'p',
  kind: 'string',
  value: 'NAME=VALUE',
  repeat: true,
  help: 'a parameter of the runbook',
  complete: 'parameters',
};
const detachOption: OptionSpec = {
  name: 'detach',
  kind: 'boolean',
  help: 'only ask; leave it to an executor that runs',
};
const runArgument = { name: 'RUN', help: 'name of the run', complete: 'runs' };
const runbookArgument = { name: 'RUNBOOK', help: 'name of the runbook', complete: 'runbooks' };

/** The last sentence of every command that waits for a run. */
const codes =
  'Exit codes: 0 it ended as asked, 1 it stopped in another phase or an error kept it from going on, 2 wrong use, 130 Ctrl-C.';

/** The group's commands by name. */
export function runbookCommands(setup: RunbookSetup): Readonly<Record<string, Command>> {
  const complete = completersOf(setup);
  return Object.fromEntries(Object.entries(plainCommands(setup)).map(([name, one]) => [name, { ...one, complete }]));
}

function plainCommands(setup: RunbookSetup): Readonly<Record<string, Command>> {
  return {
    list: listCommand(setup),
    explain: explainCommand(setup),
    start: startCommand(setup),
    watch: watchCommand(setup),
    report: reportCommand(setup),
    pause: requestCommand(setup, 'Begin nothing new in a run', () => ({ kind: 'pause' })),
    approve: approveCommand(setup),
    resume: workCommand(setup, 'Have a run go on, here', () => ({ kind: 'resume' }), ['Succeeded', 'Undone']),
    abort: workCommand(setup, 'Stop a run for good; what was done stays', () => ({ kind: 'abort' }), ['Aborted']),
    undo: undoCommand(setup),
  };
}

function explainCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Print the whole plan and what each step touches',
    description:
      'Without parameters: the runbook as such. With them: the plan for the targets that are there now. Nothing is changed.',
    args: [runbookArgument],
    options: [...setup.options, parameterOption],
    run: async (ctx, input, environment) => {
      const runbook = findRunbook(setup.runbooks, argument(input, 0));
      const given = texts(input, 'parameter');
      if (given.length === 0) {
        environment.io.out(explain(runbook));
        return 0;
      }
      const parameters = parametersFromTexts(runbook.id, runbook.parameters, given, parseDurationMs);
      const place = await setup.open(ctx, input, environment);
      const client = await place.clusterClient(ctx, place.membership);
      environment.io.out(explain(runbook, await prepareRun(ctx, client, { runbook, parameters })));
      return 0;
    },
  };
}

function startCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Start a runbook and carry it out here',
    description: `Prints the plan first. Every event is a line of JSON in polyanthus-runs/RUN.log of the working directory. Ctrl-C stops between two steps or in the middle of one, and says what goes on: \`polyanthus runbook resume\` goes on, here or elsewhere. ${codes}`,
    args: [runbookArgument],
    options: [...setup.options, parameterOption, ...startOptions],
    examples: ['polyanthus runbook start node-maintenance -p nodes=n1,n2 -p window=2 --membership=edge-1'],
    run: async (ctx, input, environment) => {
      const runbook = findRunbook(setup.runbooks, argument(input, 0));
      const given = texts(input, 'parameter');
      const parameters = parametersFromTexts(runbook.id, runbook.parameters, given, parseDurationMs);
      return startRunbook(ctx, setup, runbook, parameters, input, environment);
    },
  };
}

function watchCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Follow a run until it stops',
    description: `On a terminal what is under way is redrawn; elsewhere each change is a plain line. ${codes.replace('it ended as asked', 'it succeeded')}`,
    args: [runArgument],
    options: setup.options,
    run: async (ctx, input, environment) => {
      const place = await setup.open(ctx, input, environment);
      const run = await follow(ctx, place, argument(input, 0), environment.io);
      return run.status?.phase === 'Succeeded' ? 0 : 1;
    },
  };
}

function reportCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Write what a run did, with evidence and times',
    args: [runArgument],
    options: [
      ...setup.options,
      {
        name: 'format',
        kind: 'string',
        choices: ['markdown', 'json'],
        default: 'markdown',
        help: 'form of the report',
      },
      { name: 'output-file', kind: 'string', value: 'FILE', help: 'where to write; the default is standard output' },
    ],
    run: async (ctx, input, environment) => {
      const place = await setup.open(ctx, input, environment);
      const key = { namespace: place.namespace, name: argument(input, 0) };
      const { run, steps } = await readRun(ctx, place.runsClient, key);
      const report = reportOf(run, steps);
      const compared = await setup.compare?.(run, steps);
      const written =
        requiredText(input, 'format') === 'json'
          ? `${JSON.stringify({ ...report, ...(compared === undefined ? {} : { rehearsal: compared.data }) }, undefined, 2)}\n`
          : `${reportMarkdown(report)}${compared === undefined ? '' : `\n${compared.markdown}`}`;
      const file = text(input, 'output-file');
      if (file === undefined) environment.io.out(written);
      else await writeFile(file, written);
      return 0;
    },
  };
}

/** Refuses what is of no effect: a step that is not there must not undo everything, nor an ended run be paused. */
async function askFor(
  ctx: Context,
  setup: RunbookSetup,
  place: RunPlace,
  name: string,
  request: RunRequest,
): Promise<void> {
  const key = { namespace: place.namespace, name };
  const run = await place.runsClient.get(ctx, runs, key);
  refuseWhenEnded(run, request, place.again);
  const runbook = setup.runbooks.find((one) => one.id === run.spec.runbook);
  if (runbook !== undefined) {
    if (request.kind === 'approve') refuseUnapprovable(runbook, request.steps, run);
    const unknown = request.kind === 'undo' ? unknownStep(runbook, request.to) : undefined;
    if (unknown !== undefined) throw unknown;
  }
  await requestOf(ctx, place.runsClient, key, request);
}

/** What there is still to pause, to approve or to abort, by phase: a run that failed can be approved and goes on later. */
const tooLate: Readonly<Partial<Record<RunRequest['kind'], readonly RunPhase[]>>> = {
  pause: ['Succeeded', 'Undone', 'Aborted', 'Failed'],
  approve: ['Succeeded', 'Undone', 'Aborted'],
  abort: ['Succeeded', 'Undone'],
};

function refuseWhenEnded(run: Run, request: RunRequest, again: string): void {
  const phase = run.status?.phase ?? 'Pending';
  if (hasWork(run) || tooLate[request.kind]?.includes(phase) !== true) return;
  const name = run.metadata.name ?? '';
  throw runbookErrors.error('RunEnded', `run ${name} is ${phase}: there is nothing to ${request.kind}`, {
    next: `Look at it with: polyanthus runbook report ${name}${again}`,
  });
}

const done: Readonly<Record<RunRequest['kind'], string>> = {
  pause: 'pause requested: nothing new is begun, what is under way ends',
  approve: 'approved',
  resume: 'resume requested',
  abort: 'abort requested',
  undo: 'undo requested',
};

/** As kubectl says that it patched something. */
const said = (name: string, request: RunRequest): string => `run.${runs.group}/${name} ${done[request.kind]}\n`;

type MakeRequest = (input: Parameters<CommandHandler>[1]) => RunRequest;

/** Only asks. */
function requestCommand(
  setup: RunbookSetup,
  summary: string,
  make: MakeRequest,
  options: readonly OptionSpec[] = [],
): Command {
  return {
    summary,
    args: [runArgument],
    options: [...setup.options, ...options],
    run: async (ctx, input, environment) => {
      const place = await setup.open(ctx, input, environment);
      const [name, request] = [argument(input, 0), make(input)];
      await askFor(ctx, setup, place, name, request);
      environment.io.out(said(name, request));
      return 0;
    },
  };
}

/** Asks, and carries it out here unless another executor does. */
function workCommand(
  setup: RunbookSetup,
  summary: string,
  make: MakeRequest,
  wanted: readonly RunPhase[],
  options: readonly OptionSpec[] = [],
): Command {
  return {
    summary,
    description: `Another executor that works on the run does it; where there is none, this one does. ${codes}`,
    args: [runArgument],
    options: [...setup.options, ...options, detachOption],
    run: async (ctx, input, environment) => {
      const place = await setup.open(ctx, input, environment);
      const [name, request] = [argument(input, 0), make(input)];
      await askFor(ctx, setup, place, name, request);
      if (!flag(input, 'detach')) return carryOut(ctx, setup, place, name, environment, wanted);
      environment.io.out(said(name, request));
      return 0;
    },
  };
}

function approveCommand(setup: RunbookSetup): Command {
  return requestCommand(
    setup,
    'Let a run go beyond a step that waits for it',
    (input) => ({ kind: 'approve', steps: texts(input, 'step') }),
    [
      {
        name: 'step',
        kind: 'string',
        value: 'STEP[/TARGET]',
        required: true,
        repeat: true,
        help: 'the step, for one target or for all',
        complete: 'approvals',
      },
    ],
  );
}

function undoCommand(setup: RunbookSetup): Command {
  return workCommand(
    setup,
    'Take a run back',
    (input) => ({ kind: 'undo', to: text(input, 'to') }),
    ['Undone'],
    [
      {
        name: 'to',
        kind: 'string',
        value: 'STEP',
        help: 'the last step that stays; the default is that nothing stays',
        complete: 'steps',
      },
    ],
  );
}
