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
import { ownerOf, type SshReference } from './ssh-secret.ts';

/** What may not change once a run was handed over; requests (pause, approve, abort, undo) are not part of it. */
export function handoverDigest({ spec }: Run): string {
  const { runbook, digest, engineVersion, parameters = {}, targets, membership = '', onRed = {} } = spec;
  const pinned = { runbook, digest, engineVersion, parameters, targets, membership, onRed };
  return createHash('sha256')
    .update(JSON.stringify(sorted(pinned)))
    .digest('hex');
}

/** Whether this very run was handed over, and is what it was then. */
export function isHandedOver(run: Run, { spec }: RunHandover): boolean {
  return (
    spec.run === run.metadata.uid && spec.digest === handoverDigest(run) && spec.membership === run.spec.membership
  );
}

/**
 * Hands it over, or anew with another Secret. Errors (StatusError): Forbidden for who may not have the hub work for them, or
 * not on that member, or may not read the Secret; Conflict where somebody else does so at the same time.
 */
export async function handOver(ctx: Context, runsClient: KubeClient, run: Run, access?: SshReference): Promise<void> {
  const { name = '', namespace, uid = '' } = run.metadata;
  const spec: RunHandover['spec'] = {
    run: uid,
    digest: handoverDigest(run),
    membership: run.spec.membership ?? '',
    ...(access === undefined ? {} : { sshSecret: access.name, sshSecretDigest: access.digest }),
  };
  const handover: RunHandover = {
    apiVersion: apiVersionOf(runHandovers),
    kind: runHandovers.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ownerReferences: [ownerOf(run)] },
    spec,
  };
  try {
    await runsClient.create(ctx, runHandovers, handover);
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    const live = await runsClient.get(ctx, runHandovers, { namespace, name });
    const metadata = { ...live.metadata, ownerReferences: [ownerOf(run)] };
    await runsClient.update(ctx, runHandovers, { ...live, metadata, spec });
  }
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
