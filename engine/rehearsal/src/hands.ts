/** What times of earlier runs teach nothing, as they waited for another sign of a node's life. */
import { inOtherHands } from '@polyanthus/engine-runbook/effects';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';

type Given = Readonly<Record<string, unknown>>;

/** Steps of an earlier run that waited for something else than they will now: their times teach nothing. */
export function unlikeSteps(runbook: Runbook, digest: string, parameters: Given, { spec }: Run): ReadonlySet<string> {
  const unlike = new Set<string>();
  for (const { id, effect } of runbook.stages.flatMap((stage) => stage.steps)) {
    if (effect?.kind !== 'await-node') continue;
    const same = inOtherHands(effect, spec.parameters ?? {}) === inOtherHands(effect, parameters);
    // Another edition may prove it by something else.
    if (!same || spec.digest !== digest) unlike.add(id);
  }
  return unlike;
}
