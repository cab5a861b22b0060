/** Any Kubernetes cluster as the hub's API: callers' tokens are passed on, rights are asked by SubjectAccessReview. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { impersonatingApi } from '@polyanthus/engine-gateway/hub-api';
import { inClusterContext } from '@polyanthus/kube-client/in-cluster';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import type { HubApi, HubApiAddress } from './hub-api.ts';
import { reviewTtlMs, subjectAccessAuthorizer } from './access-reviews.ts';

/** The cluster of a kubeconfig's current context, or the one that this process runs in. */
export async function clusterApi(
  ctx: Context,
  address: Exclude<HubApiAddress, { readonly kind: 'embedded' }>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<HubApi> {
  const context =
    address.kind === 'in-cluster'
      ? await inClusterContext(env)
      : contextOf(await loadKubeconfig({ files: [address.file], explicit: true }), undefined);
  const own = await transportFor(ctx, context, { env });
  // No credentials of the hub, in TLS either: an API server would take whoever comes with its certificate for the hub.
  const nobody = { ...context, user: { ...context.user, fields: {} } };
  const bare = await transportFor(ctx, nobody, { env });
  return {
    clientOf: () => createClient(own),
    callers: impersonatingApi(bare, own),
    authorizer: (inner, _informers, onChange) => {
      void every(inner, reviewTtlMs, onChange);
      return subjectAccessAuthorizer(createClient(own));
    },
  };
}

/** The cluster tells nobody whose rights have changed, so that what is open is asked about again and again. */
async function every(ctx: Context, periodMs: number, fn: () => void): Promise<void> {
  while (!ctx.signal.aborted) {
    await sleep(ctx, periodMs).catch(() => undefined);
    if (!ctx.signal.aborted) fn();
  }
}
