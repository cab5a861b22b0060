/** What earlier runs of a runbook took, read from the API that holds runs. */
import type { Context } from '@polyanthus/ground-base/context';
import { digestOf } from '@polyanthus/engine-runbook/digest';
import type { ParameterValues } from '@polyanthus/engine-runbook/parameters';
import { readRun } from '@polyanthus/engine-runbook/report';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import { unlikeSteps } from './hands.ts';
import { LearntTimes } from './times.ts';

/** Runs that are read at most: the newest. */
const runsMax = 20;

/** Reads by get and list. Without kinds of runs, or without the right to read them, nothing is learnt. */
export async function learnFromRuns(
  ctx: Context,
  client: KubeClient,
  at: {
    readonly namespace: string;
    readonly runbook: Runbook;
    readonly parameters: ParameterValues;
    readonly membership: string | undefined;
  },
): Promise<LearntTimes> {
  const times = new LearntTimes();
  const digest = digestOf(at.runbook);
  try {
    const { items } = await client.listAll(ctx, runs, { namespace: at.namespace });
    const same = items.filter(({ spec }) => spec.runbook === at.runbook.id && spec.membership === at.membership);
    const age = (run: (typeof same)[number]): number => Date.parse(run.metadata.creationTimestamp ?? '') || 0;
    for (const run of same.toSorted((one, other) => age(one) - age(other)).slice(-runsMax))
      times.learn(
        (await readRun(ctx, client, { namespace: at.namespace, name: run.metadata.name ?? '' })).steps,
        unlikeSteps(at.runbook, digest, at.parameters, run),
      );
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Forbidden')) throw error;
  }
  return times;
}
