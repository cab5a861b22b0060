/** What an embedded hub puts into its own API: its kinds and its administrators. A real cluster gets them as manifests. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { clusterRoleBindings, customResourceDefinitions, namespaces } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import { fieldManager, isOwned } from '@polyanthus/kube-kinds/own/ownership';
import { statusError } from '@polyanthus/kube-objects/status';
import { administratorsBinding, administratorsGroup } from './administrators.ts';
import { hubErrors } from './errors.ts';

/** The hub's CRDs. One of the same name that is not ours is refused, never changed. */
export async function installOwnKinds(ctx: Context, hubClient: KubeClient): Promise<void> {
  for (const crd of ownCrds) {
    const key = { name: crd.metadata.name ?? '' };
    const live = await unlessGone(hubClient.get(ctx, customResourceDefinitions, key));
    if (live !== undefined && !isOwned(live))
      throw statusError(
        'Conflict',
        `CustomResourceDefinition ${key.name} exists and is not polyanthus's: remove it, or give the hub a cluster of its own`,
      );
    await hubClient.patch(
      ctx,
      customResourceDefinitions,
      key,
      { type: 'apply', body: crd, force: true },
      { fieldManager },
    );
  }
  for (const crd of ownCrds) await untilEstablished(ctx, hubClient, crd.metadata.name ?? '');
  await hubClient.patch(
    ctx,
    clusterRoleBindings,
    { name: administratorsGroup },
    { type: 'apply', body: administratorsBinding, force: true },
    { fieldManager },
  );
  await hubClient.patch(
    ctx,
    namespaces,
    { name: 'default' },
    { type: 'merge', body: { metadata: { labels: { 'fleet.polyanthus.dev/fleet': 'default' } } } },
    { fieldManager },
  );
}

async function untilEstablished(ctx: Context, hubClient: KubeClient, name: string): Promise<void> {
  for (let left = 100; ; left--) {
    const crd = await hubClient.get(ctx, customResourceDefinitions, { name });
    if (
      crd.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ===
      true
    )
      return;
    if (left === 0)
      throw hubErrors.error('WorkerFailed', `CustomResourceDefinition ${name} was not established within 10 s`);
    await sleep(ctx, 100);
  }
}
