/** Handing runs to the hub, so that they go on when this program is gone. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { StatusError } from '@polyanthus/kube-objects/status';
import { handOver, handoverOf } from '../src/handover.ts';
import { needsHosts, type Runbook } from '../src/runbook.ts';
import type { RunPlace } from './place.ts';

/** Why the hub does not have the run; undefined when it has. */
async function refusal(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
): Promise<string | undefined> {
  if (!place.hub) return 'there is no hub';
  const runbook = runbooks.find((one) => one.id === run.spec.runbook);
  if (runbook !== undefined && needsHosts(runbook, run.spec.parameters ?? {}))
    return 'it works on hosts, to which a hub has no way';
  try {
    if ((await handoverOf(ctx, place.runsClient, run)) === undefined) await handOver(ctx, place.runsClient, run);
    return undefined;
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
}

/** For a run that this program does not carry out; answers what that means for the user. */
export async function handedOver(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
): Promise<string> {
  const why = await refusal(ctx, place, run, runbooks);
  const name = `${run.metadata.name ?? ''}${place.again}`;
  return why === undefined
    ? `the hub carries it out; to look: polyanthus runbook watch ${name}\n`
    : `nobody carries it out yet (${why}); to do so here: polyanthus runbook resume ${name}\n`;
}

/** For a run that this program carries out: says only when the hub will not go on with it. */
export async function tellHandover(
  ctx: Context,
  place: RunPlace,
  run: Run,
  runbooks: readonly Runbook[],
  io: Io,
): Promise<void> {
  if (!place.hub) return;
  const why = await refusal(ctx, place, run, runbooks).catch((error: unknown) => String(error));
  if (why !== undefined && !ctx.signal.aborted) io.err(`the hub will not go on with it by itself: ${why}\n`);
}
