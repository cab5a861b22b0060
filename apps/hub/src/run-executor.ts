/**
 * Runs that were handed to the hub are carried out by it, when no other executor does: through the gateway, with the account
 * `runbook-executor` of the run's fleet, which may do in a member what a role binding of the fleet gives it, and no more.
 * Who hands a run over needs the right to create `runhandovers`; what was changed afterwards is not carried out.
 */
import { sleep, throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { handoverDigest, isHandedOver } from '@polyanthus/engine-runbook/handover';
import { executeRun, hasWork } from '@polyanthus/engine-runbook/executor';
import { digestOf } from '@polyanthus/engine-runbook/digest';
import { needsHosts, type Runbook } from '@polyanthus/engine-runbook/runbook';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runHandovers, runs, type Run, type RunHandover } from '@polyanthus/kube-kinds/own/runbook';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { executorAccount } from './executor-rights.ts';

/** How it is started. */
export interface RunExecutorOptions {
  /** Of the hub's own API. */
  readonly hubClient: KubeClient;
  /** A member through the gateway, as the fleet's account. */
  readonly memberClient: (ctx: Context, fleet: string, membership: string) => Promise<KubeClient>;
  readonly runbooks: readonly Runbook[];
  /** Unique among executors. */
  readonly identity: string;
  readonly random: Random;
}

const lookMs = 5000;
/** Runs at once; the others wait for the next look. */
const runsMax = 32;

/** Looks for runs and carries them out until the context is cancelled. */
export async function runExecutor(ctx: Context, options: RunExecutorOptions): Promise<void> {
  const working = new Map<string, Promise<void>>();
  try {
    while (!ctx.signal.aborted) {
      await look(ctx, options, working).catch((error: unknown) => {
        if (!ctx.signal.aborted) ctx.log.warn('runs that were handed over cannot be read', { error });
      });
      await sleep(ctx, lookMs).catch(() => undefined);
    }
  } finally {
    await Promise.allSettled(working.values());
  }
}

async function look(ctx: Context, options: RunExecutorOptions, working: Map<string, Promise<void>>): Promise<void> {
  for (const handover of (await options.hubClient.listAll(ctx, runHandovers)).items) {
    throwIfCancelled(ctx);
    const { namespace = '', name = '' } = handover.metadata;
    const key = `${namespace}/${name}`;
    if (working.has(key) || working.size >= runsMax) continue;
    const work = serve(ctx, options, handover)
      .catch((error: unknown) => {
        if (!ctx.signal.aborted) ctx.log.warn('a run is not carried out by the hub', { run: key, error });
      })
      .finally(() => working.delete(key));
    working.set(key, work);
  }
}

async function serve(ctx: Context, options: RunExecutorOptions, handover: RunHandover): Promise<void> {
  const { hubClient } = options;
  const { namespace = '', name = '' } = handover.metadata;
  let run: Run;
  try {
    run = await hubClient.get(ctx, runs, { namespace, name });
  } catch (error) {
    if (isStatus(error, 'NotFound')) return;
    throw error;
  }
  if (!hasWork(run)) return;
  const refusal = refusalOf(options, run, handover);
  if (refusal !== undefined) return tell(ctx, hubClient, handover, refusal);
  const clusterClient = await options.memberClient(ctx, namespace, run.spec.membership ?? '');
  const forbidden = await forbiddenBy(ctx, clusterClient, run);
  await tell(ctx, hubClient, handover, forbidden ?? '');
  if (forbidden !== undefined) return;
  const { runbooks, identity, random } = options;
  await executeRun(ctx, {
    runsClient: hubClient,
    clusterClient,
    namespace,
    name,
    runbooks,
    identity,
    random,
    // Again before each takeover: what the lease was waited for may have changed the run meanwhile.
    accept: (found) => isHandedOver(found, handover),
  });
}

/** Why the hub leaves the run alone; undefined when it does not. */
function refusalOf({ runbooks }: RunExecutorOptions, run: Run, handover: RunHandover): string | undefined {
  const { spec } = run;
  if (handover.spec.run !== run.metadata.uid) return 'the handover is of another run of this name';
  if (handover.spec.digest !== handoverDigest(run)) return 'the run was changed after it had been handed over';
  if (spec.membership === undefined) return 'the run names no member of the fleet';
  const runbook = runbooks.find((one) => one.id === spec.runbook);
  if (runbook === undefined || digestOf(runbook) !== spec.digest)
    return `this hub does not have runbook ${spec.runbook} of the run's digest`;
  if (needsHosts(runbook, spec.parameters ?? {})) return 'the run works on hosts, to which a hub has no way';
  return undefined;
}

/** Before it is taken over: a run that the account may not even look at stays as it is. Errors of the way are waited out later. */
async function forbiddenBy(ctx: Context, client: KubeClient, run: Run): Promise<string | undefined> {
  const [target] = run.spec.targets;
  if (target === undefined) return undefined;
  const [group, version] = target.apiVersion.includes('/') ? target.apiVersion.split('/') : ['', target.apiVersion];
  const type = resourceType(group ?? '', version ?? '', target.resource, target.kind, target.namespace !== undefined);
  try {
    await client.get(ctx, type, { namespace: target.namespace, name: target.name });
    return undefined;
  } catch (error) {
    if (!isStatus(error, 'Forbidden') && !isStatus(error, 'Unauthorized')) return undefined;
    const account = `system:serviceaccount:${run.metadata.namespace ?? ''}:${executorAccount}`;
    const membership = run.spec.membership ?? '';
    return `the hub's account may not work in ${membership} (${(error as Error).message}); give it a role with: polyanthus fleet bindings create NAME --membership=${membership} --user=${account}`;
  }
}

async function tell(ctx: Context, hubClient: KubeClient, handover: RunHandover, message: string): Promise<void> {
  if ((handover.status?.message ?? '') === message) return;
  const told = { ...handover, status: { message } };
  await hubClient.update(ctx, runHandovers, told, { subresource: 'status' }).catch((error: unknown) => {
    if (!isStatus(error, 'Conflict') && !isStatus(error, 'NotFound')) throw error;
  });
}
