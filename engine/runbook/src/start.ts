/** Making a Run: parameters checked, targets found, edition pinned. Nothing is carried out yet. */
import type { Context } from '@polyanthus/ground-base/context';
import { productVersion } from '@polyanthus/ground-base/version';
import { dns1123Subdomain } from '@polyanthus/kube-objects/names';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runs, type Run, type RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import { digestOf } from './digest.ts';
import { runbookErrors } from './errors.ts';
import { readParameters, type ParameterValues } from './parameters.ts';
import type { Runbook } from './runbook.ts';
import { unknownStep } from './runbooks.ts';

/** What is asked for. */
export interface StartOptions {
  readonly runbook: Runbook;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly membership?: string | undefined;
  readonly onRed?: NonNullable<Run['spec']['onRed']> | undefined;
}

/** A run that could be started: for `explain`, which starts nothing. */
export interface PreparedRun {
  readonly parameters: ParameterValues;
  readonly targets: readonly RunTarget[];
  readonly spec: Run['spec'];
}

const roundsMax = 100;

/** Looks up everything that the Run will pin. Errors: RunParameterInvalid, and what the runbook's targets throw. */
export async function prepareRun(ctx: Context, clusterClient: KubeClient, options: StartOptions): Promise<PreparedRun> {
  const { runbook, membership, onRed } = options;
  const parameters = readParameters(runbook.id, runbook.parameters, options.parameters);
  const unknown = unknownStep(runbook, onRed?.undoTo);
  if (unknown !== undefined) throw unknown;
  const { rounds = 1 } = onRed ?? {};
  if (rounds < 1 || rounds > roundsMax)
    throw runbookErrors.error('RunParameterInvalid', `onRed.rounds: is not between 1 and ${roundsMax}`);
  const targets = await runbook.targets(ctx, clusterClient, parameters);
  return {
    parameters,
    targets,
    spec: {
      runbook: runbook.id,
      digest: digestOf(runbook),
      engineVersion: productVersion,
      parameters,
      targets,
      ...(membership === undefined ? {} : { membership }),
      ...(onRed === undefined ? {} : { onRed }),
    },
  };
}

/** So that the names of steps and of the Lease, which are longer, are still names. */
const nameMax = 50;

/** Throws RunParameterInvalid for what cannot be the name of a run. */
export function checkRunName(name: string): void {
  const fault = name.length > nameMax ? `it has more than ${nameMax} characters` : dns1123Subdomain(name)[0];
  if (fault === undefined) return;
  throw runbookErrors.error('RunParameterInvalid', `a run cannot be called ${JSON.stringify(name)}: ${fault}`, {
    next: 'Give another name, or none: one is made up then.',
  });
}

/** Creates the Run. Throws RunParameterInvalid for what cannot be its name. */
export async function createRun(
  ctx: Context,
  runsClient: KubeClient,
  key: { readonly namespace: string; readonly name: string },
  spec: Run['spec'],
): Promise<Run> {
  checkRunName(key.name);
  const run: Run = { apiVersion: apiVersionOf(runs), kind: runs.kind, metadata: { ...key }, spec };
  return runsClient.create(ctx, runs, run);
}
