/** Applies a list of objects of any kind, in order, server-side and under the product's field manager. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { discover, resourceMapper } from '@polyanthus/kube-client/discovery';
import { fieldManager } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

/** Throws what the API answers; a kind that it does not serve is KindUnknown. */
export async function applyObjects(ctx: Context, client: KubeClient, objects: readonly KubeObject[]): Promise<void> {
  const mapper = resourceMapper(await discover(ctx, client));
  for (const object of objects) {
    const type = mapper.forKind(object.apiVersion, object.kind);
    await client.patch(
      ctx,
      type,
      { namespace: object.metadata.namespace, name: object.metadata.name ?? '' },
      { type: 'apply', body: object, force: true },
      { fieldManager },
    );
  }
}
