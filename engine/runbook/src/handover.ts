/**
 * Handing a run to the hub, which works with an account of its own. Making the handover is a right of its own (RBAC on
 * `runhandovers`), and it pins what the run is to do: who may only write Runs cannot have the hub do anything for them.
 */
import { createHash } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runHandovers, type Run, type RunHandover } from '@polyanthus/kube-kinds/own/runbook';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { sorted } from './digest.ts';

/** What may not change once a run was handed over; requests (pause, approve, abort, undo) are not part of it. */
export function handoverDigest({ spec }: Run): string {
  const { runbook, digest, engineVersion, parameters = {}, targets, membership = '', onRed = {} } = spec;
  const pinned = { runbook, digest, engineVersion, parameters, targets, membership, onRed };
  return createHash('sha256')
    .update(JSON.stringify(sorted(pinned)))
    .digest('hex');
}

/** Whether this very run was handed over, and is what it was then. */
export function isHandedOver(run: Run, handover: RunHandover): boolean {
  return handover.spec.run === run.metadata.uid && handover.spec.digest === handoverDigest(run);
}

/** Hands it over. Errors (StatusError): Forbidden for who may not have the hub work for them. */
export async function handOver(ctx: Context, runsClient: KubeClient, run: Run): Promise<void> {
  const { name = '', namespace, uid = '' } = run.metadata;
  const handover: RunHandover = {
    apiVersion: apiVersionOf(runHandovers),
    kind: runHandovers.kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [{ apiVersion: run.apiVersion, kind: run.kind, name, uid }],
    },
    spec: { run: uid, digest: handoverDigest(run) },
  };
  await runsClient.create(ctx, runHandovers, handover);
}

/** The handover of a run that it still fits; undefined where there is none, and for who may not read it. */
export async function handoverOf(ctx: Context, runsClient: KubeClient, run: Run): Promise<RunHandover | undefined> {
  const { name = '', namespace } = run.metadata;
  try {
    const found = await runsClient.get(ctx, runHandovers, { namespace, name });
    return isHandedOver(run, found) ? found : undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound') || isStatus(error, 'Forbidden')) return undefined;
    throw error;
  }
}
