/** The CRDs of runs in a cluster that has no hub: for `--kubeconfig`, where the Run lives in the cluster itself. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { customResourceDefinitions, namespaces } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import { fieldManager, isOwned } from '@polyanthus/kube-kinds/own/ownership';
import { runbookGroup, runs, runSteps } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { runbookErrors } from './errors.ts';
import { isTransient } from './failures.ts';

const establishMs = 200;
const establishLooks = 150;

/** Where runs live in a cluster without a hub. */
export const runsNamespace = 'polyanthus-runs';

/**
 * Applies the kinds and makes the namespace. Throws RunKindsForeign when somebody else's CRD has the name. Who may work with
 * runs, but not with definitions, finds what an administrator made before.
 */
export async function ensureRunKinds(ctx: Context, client: KubeClient, namespace: string): Promise<void> {
  try {
    await applyRunKinds(ctx, client, namespace);
  } catch (error) {
    if (!isStatus(error, 'Forbidden') || !(await isListed(ctx, client, namespace))) throw error;
  }
}

async function isListed(ctx: Context, client: KubeClient, namespace: string): Promise<boolean> {
  try {
    await client.list(ctx, runs, { namespace, limit: 1 });
    await client.list(ctx, runSteps, { namespace, limit: 1 });
    return true;
  } catch (error) {
    if (isStatus(error, 'Forbidden') || isStatus(error, 'NotFound')) return false;
    throw error;
  }
}

async function applyRunKinds(ctx: Context, client: KubeClient, namespace: string): Promise<void> {
  const wanted = ownCrds.filter((crd) => crd.metadata.name?.endsWith(`.${runbookGroup}`) === true);
  for (const crd of wanted) {
    const name = crd.metadata.name ?? '';
    const live = await unlessGone(client.get(ctx, customResourceDefinitions, { name }));
    if (live !== undefined && !isOwned(live))
      throw runbookErrors.error('RunKindsForeign', `CustomResourceDefinition ${name} exists and is not polyanthus's`);
    const patch = { type: 'apply', body: crd, force: true } as const;
    await client.patch(ctx, customResourceDefinitions, { name }, patch, { fieldManager });
  }
  for (const crd of wanted) await untilEstablished(ctx, client, crd.metadata.name ?? '');
  for (const type of [runs, runSteps]) await untilServed(ctx, client, type);
  try {
    await client.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
  }
}

async function untilEstablished(ctx: Context, client: KubeClient, name: string): Promise<void> {
  for (let left = establishLooks; ; left--) {
    const conditions =
      (await unlessGone(client.get(ctx, customResourceDefinitions, { name })))?.status?.conditions ?? [];
    if (conditions.some((one) => one.type === 'Established' && one.status === 'True')) return;
    if (left === 0)
      throw runbookErrors.error('RunKindsForeign', `CustomResourceDefinition ${name} was not established in time`);
    await sleep(ctx, establishMs);
  }
}

/** An API server that has established a kind may still answer 404, or that its storage is being initialised. */
async function untilServed(ctx: Context, client: KubeClient, type: ResourceType): Promise<void> {
  for (let left = establishLooks; ; left--) {
    try {
      await client.list(ctx, type, { limit: 1 });
      return;
    } catch (error) {
      if (left === 0 || !(isTransient(error) || isStatus(error, 'NotFound'))) throw error;
    }
    await sleep(ctx, establishMs);
  }
}
