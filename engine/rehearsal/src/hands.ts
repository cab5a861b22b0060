/** Whether a node is in other hands for a while: then its kubelet has to show itself anew, which takes a heartbeat. */
import type { StepEffect } from '@polyanthus/engine-runbook/effects';
import type { Runbook } from '@polyanthus/engine-runbook/runbook';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';

type Given = Readonly<Record<string, unknown>>;

/** By the parameters of the run. */
export function inOtherHands(
  { handsOn = [] }: Extract<StepEffect, { kind: 'await-node' }>,
  parameters: Given,
): boolean {
  return handsOn.some((name) => parameters[name] !== undefined && parameters[name] !== false);
}

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
