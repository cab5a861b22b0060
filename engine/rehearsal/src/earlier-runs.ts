/** What earlier runs of a runbook took, read from the API that holds runs. */
import type { Context } from '@polyanthus/ground-base/context';
import { readRun } from '@polyanthus/engine-runbook/report';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import { LearntTimes } from './times.ts';

/** Runs that are read at most: the newest. */
const runsMax = 20;

/** Reads by get and list. Without kinds of runs, or without the right to read them, nothing is learnt. */
export async function learnFromRuns(
  ctx: Context,
  client: KubeClient,
  at: { readonly namespace: string; readonly runbook: string; readonly membership: string | undefined },
): Promise<LearntTimes> {
  const times = new LearntTimes();
  try {
    const { items } = await client.listAll(ctx, runs, { namespace: at.namespace });
    const same = items.filter(({ spec }) => spec.runbook === at.runbook && spec.membership === at.membership);
    const age = (run: (typeof same)[number]): number => Date.parse(run.metadata.creationTimestamp ?? '') || 0;
    for (const { metadata } of same.toSorted((one, other) => age(one) - age(other)).slice(-runsMax))
      times.learn((await readRun(ctx, client, { namespace: at.namespace, name: metadata.name ?? '' })).steps);
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Forbidden')) throw error;
  }
  return times;
}
