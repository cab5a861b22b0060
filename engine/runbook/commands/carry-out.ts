/** Carrying a run out in the foreground: executor, log file and progress together. */
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import { nameSuffix, systemRandom } from '@polyanthus/ground-base/random';
import type { CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { flag, number, text } from '@polyanthus/ground-cli-kit/input';
import { render } from '@polyanthus/ground-cli-kit/printer';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { runs, type Run, type RunPhase } from '@polyanthus/kube-kinds/own/runbook';
import { runbookErrors } from '../src/errors.ts';
import { executeRun } from '../src/executor.ts';
import { explain } from '../src/explain.ts';
import type { Runbook } from '../src/runbook.ts';
import { checkRunName, createRun, prepareRun } from '../src/start.ts';
import { follow } from './follow.ts';
import { goodbye } from './goodbye.ts';
import { handedOver, tellHandover } from './hand-over.ts';
import type { RunbookSetup, RunPlace } from './place.ts';
import { logTo } from './run-log.ts';

/** Works on a run until it stops. Throws RunStopped when it stops in another phase than one of `wanted`. */
export async function carryOut(
  ctx: Context,
  setup: RunbookSetup,
  place: RunPlace,
  name: string,
  environment: CommandEnvironment,
  wanted: readonly RunPhase[],
): Promise<number> {
  const { io } = environment;
  const run = await place.runsClient.get(ctx, runs, { namespace: place.namespace, name });
  const log = join('polyanthus-runs', `${name}.log`);
  mkdirSync(dirname(log), { recursive: true });
  io.err(`log: ${log} (tail -f ${log})\n`);
  const write = logTo(log, io);
  let handing: Promise<void> | undefined;
  const { ctx: working, cancel } = withCancel(ctx);
  const executing = executeRun(working, {
    runsClient: place.runsClient,
    clusterClient: await place.clusterClient(ctx, run.spec.membership),
    namespace: place.namespace,
    name,
    runbooks: setup.runbooks,
    identity: `${hostname()}_${systemRandom.uuid()}`,
    random: systemRandom,
    onEvent: (event) => {
      write(event);
      // Not before this program has the run: the hub would begin at once.
      if (event.event === 'taken') handing ??= tellHandover(working, place, run, setup.runbooks, io);
    },
  });
  try {
    const [ended] = await Promise.all([executing, follow(working, place, name, io, executing)]);
    return judge(ended, wanted, place.again);
  } catch (error) {
    if (ctx.signal.aborted) io.err(await goodbye(ctx, place, name));
    throw error;
  } finally {
    cancel();
    await handing;
    await executing.catch(() => undefined);
  }
}

/** 0, or throws RunStopped. */
export function judge(run: Run, wanted: readonly RunPhase[], again: string): number {
  const { phase = 'Pending', message = '' } = run.status ?? {};
  if (wanted.includes(phase)) return 0;
  const name = run.metadata.name ?? '';
  const mend = phase === 'Failed' ? `; when it is mended: polyanthus runbook resume ${name}${again}` : '';
  throw runbookErrors.error('RunStopped', `run ${name} ended ${phase}${message === '' ? '' : `: ${message}`}`, {
    next: `See what it did: polyanthus runbook report ${name}${again}${mend}`,
  });
}

/** Explains, makes the Run and, unless --detach, carries it out. */
export async function startRunbook(
  ctx: Context,
  setup: RunbookSetup,
  runbook: Runbook,
  parameters: Readonly<Record<string, unknown>>,
  input: CommandInput,
  environment: CommandEnvironment,
): Promise<number> {
  const name = text(input, 'name') ?? `${runbook.id}-${nameSuffix(systemRandom)}`;
  checkRunName(name);
  const place = await setup.open(ctx, input, environment);
  const prepared = await prepareRun(ctx, await place.clusterClient(ctx, place.membership), {
    runbook,
    parameters,
    membership: place.membership,
    onRed: onRedOf(input),
  });
  environment.io.err(`${explain(runbook, prepared)}\n`);
  const { said = '', rehearsal } = (await setup.rehearsed?.(prepared.spec, text(input, 'rehearsal'))) ?? {};
  environment.io.err(said);
  const spec = rehearsal === undefined ? prepared.spec : { ...prepared.spec, rehearsal };
  const key = { namespace: place.namespace, name };
  if (flag(input, 'dry-run')) {
    const dry = { apiVersion: apiVersionOf(runs), kind: runs.kind, metadata: key, spec };
    environment.io.out(printedRun(dry, text(input, 'output'), ' (dry run)'));
    return 0;
  }
  await place.prepare(ctx);
  const run = await createRun(ctx, place.runsClient, key, spec);
  environment.io.out(printedRun(run, text(input, 'output')));
  if (flag(input, 'detach')) {
    environment.io.err(await handedOver(ctx, place, run, setup.runbooks, 'may go'));
    return 0;
  }
  return carryOut(ctx, setup, place, name, environment, ['Succeeded']);
}

/** Its name alone, which scripts go on with, or the object. */
function printedRun(run: Run, format: string | undefined, note = ''): string {
  const { name = '' } = run.metadata;
  const listing = { name: () => `run.${runs.group}/${name}`, columns: [] };
  return format === undefined ? `${name}${note}\n` : render(listing, [run], format, true);
}

function onRedOf(input: CommandInput): NonNullable<Run['spec']['onRed']> {
  const policy = (text(input, 'on-red') ?? 'stop') as 'stop' | 'retry' | 'undo';
  const undoTo = text(input, 'undo-to');
  const rounds = number(input, 'rounds');
  return { policy, ...(undoTo === undefined ? {} : { undoTo }), ...(rounds === undefined ? {} : { rounds }) };
}
